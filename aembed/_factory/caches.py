"""The cache of each place: memory, a file, or a store of the user's."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal, TypeAlias

from aembed._sharing.cache import Cache
from aembed._types import Store

CachePlace: TypeAlias = str | Path | int
"""``"memory"``, the path of a file, or the identity of a store object."""


class Caches:
    """Embedders of a factory that name the same place share its cache."""

    def __init__(self) -> None:
        self._caches: dict[CachePlace, Cache] = {}
        self._is_closed = False

    async def open(self, place: bool | str | Path | Store | None) -> Cache | None:
        """The cache of that place, opened by the first that asks; ``None`` if no cache is wanted."""
        if place is False or place is None:
            return None
        key, store = _store(place)
        cache = self._caches.setdefault(key, Cache(store, owned=store is not place))
        try:
            await cache.open()
        finally:
            if self._is_closed:  # meanwhile
                await cache.aclose()
        return cache

    async def aclose(self) -> None:
        """Close every cache, and its store unless it is the user's."""
        self._is_closed = True
        async with AsyncExitStack() as stack:
            for cache in self._caches.values():
                stack.push_async_callback(cache.aclose)


def _store(place: Literal[True] | str | Path | Store) -> tuple[CachePlace, Store]:
    """The identity of the place, and its store, not opened yet."""
    from aembed.stores import MemoryStore, SQLiteStore

    if place is True:
        return "memory", MemoryStore()
    if isinstance(place, (str, Path)):
        file = SQLiteStore(place)
        return file.path, file
    return id(place), place
