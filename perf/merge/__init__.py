"""Concurrent single queries with and without merging: see ``README.md``."""
