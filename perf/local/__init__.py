"""Local models: aembed against the libraries that run the same model on the same cores. ``python -m perf.local``."""
