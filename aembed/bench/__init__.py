"""A benchmark runner for async code that lives in the same event loop as what it measures."""
