"""A store, and everything on its way to it. No failure of the store makes a call fail."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aembed._sharing.entries import CacheEntry, ReportFailure, Requested, Unstored
from aembed._types import Store, Vectors

MAX_ROWS_PER_PUT = 4096
"""Small batches are stored together, since a transaction costs as much as hundreds of rows; more would delay reads."""
GET_TIMEOUT_S, PUT_TIMEOUT_S = 15.0, 90.0
"""Timeouts of one store call. The store may be the user's and hang; our SQLite store waits 5 s for a locked file."""
MAX_BYTES_PER_PUT = 2**23
"""Largest size of batches that are stored together, in bytes: the store copies them."""
MAX_UNSTORED_BYTES = 2**24
"""Bytes of unstored rows from which on calls wait for the store before they send more texts."""

NOTHING: NDArray[np.intp] = np.empty(0, np.intp)


@runtime_checkable
class Opens(Protocol):
    """A store that can check in advance whether it will work."""

    async def open(self) -> None: ...


class Cache:
    """Everything known of a key is in one of two places: an entry here, or the store.

    An entry is a lookup under way, then the shared call that brings the text, then the row until the store has it. As
    two structures, the requests in flight and the cached rows would race.
    """

    def __init__(self, store: Store, *, owned: bool) -> None:
        from aembed.stores import MemoryStore  # it needs xxhash and sqlite3, which `import aembed` does not load

        self.entries: dict[bytes, CacheEntry] = {}
        self._store = store
        self._owned = owned
        # Its answers come without a suspension, and a timeout costs more than the lookup of a query. A subclass may
        # wait.
        self._never_waits = type(store) is MemoryStore
        self._unstored: deque[Unstored] = deque()
        self._unstored_bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._written: asyncio.Event | None = None

    @property
    def dropped(self) -> int:
        """Rows for which the store had no room; 0 for a store that does not count them."""
        count: int = getattr(self._store, "dropped", 0)
        return count

    async def open(self) -> None:
        """Open a store of ours that needs to be opened. Raises :class:`ConfigError` if that cannot be done."""
        if self._owned and isinstance(self._store, Opens):
            await self._store.open()

    async def get(
        self, keys: Sequence[bytes], dim: int | None, report: ReportFailure
    ) -> tuple[NDArray[np.intp], Vectors | None]:
        """Positions of the keys that the store has, and their usable rows, which belong to the caller."""
        try:
            if self._never_waits:
                positions, vectors = await self._store.get_many(keys, dim)
            else:
                async with asyncio.timeout(GET_TIMEOUT_S):
                    positions, vectors = await self._store.get_many(keys, dim)
            return _usable(positions, vectors, len(keys), dim)
        except Exception as error:  # noqa: BLE001  # a store may be the user's, and its failure is a miss
            report("get", len(keys), error)
            return NOTHING, None

    def put(self, keys: list[bytes], vectors: Vectors, report: ReportFailure, replaces: Requested) -> None:
        """Hand rows to the store without waiting for it; they are entries until it has them.

        They replace the request that brought them, but no entry of another call.
        """
        self._abandon_earlier_loop()
        rows = Unstored(keys, vectors, report)
        entries = self.entries
        # A key without an entry is one that has been forgotten: the rows are as good for the next call.
        entries.update(dict.fromkeys([key for key in keys if entries.get(key, replaces) is replaces], rows))
        self._unstored.append(rows)
        self._unstored_bytes += vectors.nbytes
        # One writer at a time: rows that come meanwhile gather, and are stored in one transaction.
        if not self._is_writing():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    def forget(self, keys: Sequence[bytes], entry: CacheEntry) -> None:
        """Remove the entries of these keys, where they are still this one."""
        entries = self.entries
        for key in [key for key in keys if entries.get(key) is entry]:
            del entries[key]

    async def room(self) -> None:
        """Wait while too many rows wait to be stored."""
        # Without a writer the number never falls: waiting would never end.
        while self._unstored_bytes > MAX_UNSTORED_BYTES and self._is_writing():
            if self._written is None:
                self._written = asyncio.Event()
            await self._written.wait()

    async def flush(self) -> None:
        """Wait until everything is stored."""
        self._abandon_earlier_loop()
        if self._writer is not None and self._is_writing():
            await asyncio.wait([self._writer])
        await self._write()  # rows left over by a loop that ended before its writer

    async def aclose(self) -> None:
        """Wait until everything is stored, and close the store unless it is the user's."""
        try:
            await self.flush()
        finally:
            if self._owned:
                await self._store.aclose()

    async def _write(self) -> None:
        while self._unstored:
            parts = [self._unstored.popleft()]
            while self._unstored and _fits([*parts, self._unstored[0]]):
                parts.append(self._unstored.popleft())
            try:
                await self._put_many(parts)
            finally:
                # After a failure, too: rows that the store did not take must not delay calls, nor fill memory.
                for part in parts:
                    self._unstored_bytes -= part.vectors.nbytes
                    self.forget(part.keys, part)
                if self._written is not None:
                    self._written.set()
                    self._written = None

    def _abandon_earlier_loop(self) -> None:
        """Drop rows that a task of an ended loop, or of the parent of a fork, was writing: its outcome is not known."""
        if self._writer is None or self._writer.get_loop() is asyncio.get_running_loop():
            return
        self._writer = self._written = None
        self._unstored_bytes = sum(part.vectors.nbytes for part in self._unstored)
        waiting = set(map(id, self._unstored))
        for key, entry in tuple(self.entries.items()):
            if isinstance(entry, Unstored) and id(entry) not in waiting:
                del self.entries[key]

    def _is_writing(self) -> bool:
        writer = self._writer
        return writer is not None and not writer.done() and writer.get_loop() is asyncio.get_running_loop()

    async def _put_many(self, parts: Sequence[Unstored]) -> None:
        keys, vectors = parts[0].keys, parts[0].vectors
        if len(parts) > 1:
            keys = [key for part in parts for key in part.keys]
            vectors = np.concatenate([part.vectors for part in parts])
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                await self._store.put_many(keys, vectors)
        except Exception as error:  # noqa: BLE001  # a store may be the user's, and its failure costs no call anything
            for part in parts:
                part.report("put", len(part.keys), error)


def _fits(parts: Sequence[Unstored]) -> bool:
    """True if batches can be stored together."""
    rows, size = sum(len(part.keys) for part in parts), sum(part.vectors.nbytes for part in parts)
    same_length = parts[0].vectors.shape[1] == parts[-1].vectors.shape[1]
    return same_length and rows <= MAX_ROWS_PER_PUT and size <= MAX_BYTES_PER_PUT


def _usable(
    positions: NDArray[np.intp], vectors: Vectors, keys: int, dim: int | None
) -> tuple[NDArray[np.intp], Vectors]:
    """Drop rows that are not embeddings: NaN, infinity, zeros. Raises ValueError for an answer that makes no sense."""
    # The store may be the user's: a wrong position would give a text the vector of another, so each is checked.
    positions = np.asarray(positions, np.intp)
    vectors = np.ascontiguousarray(vectors, np.float32)
    if not len(positions):
        return positions, vectors
    if vectors.ndim != 2 or len(vectors) != len(positions) or vectors.shape[1] != (dim or vectors.shape[1]):
        raise ValueError(f"the store answered with an array of shape {vectors.shape} for {len(positions)} positions")
    if positions[0] < 0 or positions[-1] >= keys or (np.diff(positions) <= 0).any():
        raise ValueError("the store answered with positions that are not those of keys, ascending")
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.vecdot(vectors, vectors)
    good = (squares > 0) & (squares < np.inf)
    if good.all():
        return positions, vectors
    doubtful = np.flatnonzero(~good)  # its norm may have overflowed or vanished in float32
    good[doubtful] = np.isfinite(vectors[doubtful]).all(axis=1) & vectors[doubtful].any(axis=1)
    return positions[good], vectors[good]
