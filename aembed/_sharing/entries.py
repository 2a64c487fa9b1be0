"""Entries of the cache for keys that its store does not have yet: one object for a lookup, a request or a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aembed._sharing.shared_call import SharedCall
from aembed._types import Vector, Vectors

StoreOperation: TypeAlias = Literal["get", "put"]
ReportFailure: TypeAlias = Callable[[StoreOperation, int, Exception], None]
"""Receives an operation of the store that failed, the number of texts, and the error."""


@dataclass(slots=True, eq=False)
class LookedUp:
    """A lookup in progress: a call has asked the store for the keys. Other calls wait for it, and look again."""

    _is_over: bool = False
    _over: asyncio.Event | None = None
    """Made for the first call that waits: most lookups end before another call comes."""

    def end(self) -> None:
        self._is_over = True
        if self._over is not None:
            self._over.set()

    async def wait(self) -> None:
        if self._is_over:
            return
        if self._over is None:
            self._over = asyncio.Event()
        await self._over.wait()


@dataclass(slots=True, eq=False)
class Requested:
    """A request in progress: a shared call will bring the rows of the keys."""

    call: SharedCall
    keys: list[bytes]
    _index: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def index(self, key: bytes) -> int:
        """Index of the key's text in the shared call."""
        self._index = self._index or {key: index for index, key in enumerate(self.keys)}
        return self._index[key]


@dataclass(slots=True, eq=False)
class Unstored:
    """Rows that have arrived, and that the store does not have yet."""

    keys: list[bytes]
    vectors: Vectors
    report: ReportFailure
    _index: dict[bytes, int] = field(default_factory=dict[bytes, int])

    def row(self, key: bytes) -> Vector:
        """The key's row: a copy, as the array is still to be written to the store."""
        self._index = self._index or {key: index for index, key in enumerate(self.keys)}
        row: Vector = self.vectors[self._index[key]].copy()
        return row


CacheEntry: TypeAlias = LookedUp | Requested | Unstored
