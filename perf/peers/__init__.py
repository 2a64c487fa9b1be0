"""HTTP clients: aembed against what people embed with today, on one loopback server. ``python -m perf.peers``."""
