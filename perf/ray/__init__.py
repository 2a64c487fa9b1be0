"""Ray Data with aembed against Ray's own HTTP processor: see ``python -m perf.ray``."""
