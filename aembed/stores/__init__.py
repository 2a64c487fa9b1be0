"""Stores of the cache: in memory, or in a file.

Both are a :class:`~aembed.Store`, as anything else may be that has its three methods.
"""

from aembed.stores.memory import MemoryStore
from aembed.stores.sqlite import SQLiteStore

__all__ = ["MemoryStore", "SQLiteStore"]
