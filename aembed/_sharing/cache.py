"""A store, and what is on its way to it. Whatever goes wrong with the store, no call fails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aembed._sharing.shared_call import SharedCall
from aembed._types import Store, Vector, Vectors

KEPT_AT_ONCE = 4096
"""Rows in one call of the store, at most."""
GET_TIMEOUT_S, PUT_TIMEOUT_S = 15.0, 90.0
"""For one call of a store, which may be anybody's and hang; longer than what a file of ours takes at most."""
BEHIND = 2**26
"""Bytes that may wait to be kept before calls that would bring more wait too."""

Operation: TypeAlias = Literal["get", "put"]
Report: TypeAlias = Callable[[Operation, int, Exception], None]
"""Told of an operation of the store that failed, with how many texts."""

NOTHING: NDArray[np.intp] = np.empty(0, np.intp)


class Lookup:
    """Keys that a call is looking up. Others wait until it is over, and then see for themselves."""

    __slots__ = ("_is_over", "_over")

    def __init__(self) -> None:
        self._is_over = False
        self._over: asyncio.Event | None = None
        """Made for the first who waits."""

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


@runtime_checkable
class Opens(Protocol):
    """A store that can say at once whether it will work."""

    async def open(self) -> None: ...


Entry: TypeAlias = "Lookup | tuple[SharedCall, int] | Vector"


class Cache:
    """Everything known of a key is in one of two places: an entry here, or the store.

    An entry is a lookup under way, then the shared call that brings the text (with its index there), then the row
    until the store has it.
    """

    def __init__(self, store: Store, *, owned: bool) -> None:
        from aembed.stores import MemoryStore  # it needs xxhash and sqlite3, which `import aembed` does not load

        self.entries: dict[bytes, Entry] = {}
        self._store = store
        self._owned = owned
        self._never_waits = type(store) is MemoryStore
        self._unkept: deque[tuple[list[bytes], Vectors, Report]] = deque()
        self._behind = 0
        self._keeper: asyncio.Task[None] | None = None
        self._kept: asyncio.Event | None = None

    @property
    def dropped(self) -> int:
        """Rows for which the store had no room; 0 of a store that does not count them."""
        count: int = getattr(self._store, "dropped", 0)
        return count

    async def open(self) -> None:
        """Open a store of ours that needs to be opened. Raises :class:`ConfigError` if that cannot be done."""
        if self._owned and isinstance(self._store, Opens):
            await self._store.open()

    async def get(
        self, keys: Sequence[bytes], dim: int | None, report: Report
    ) -> tuple[NDArray[np.intp], Vectors | None]:
        """Positions in ``keys`` of what the store knows, and the rows: usable ones, and the caller's own."""
        try:
            if self._never_waits:
                positions, vectors = await self._store.get_many(keys, dim)
            else:
                async with asyncio.timeout(GET_TIMEOUT_S):
                    positions, vectors = await self._store.get_many(keys, dim)
            return _usable(positions, vectors, len(keys), dim)
        except Exception as error:  # noqa: BLE001  # a store may be anybody's, and its failure is a miss
            report("get", len(keys), error)
            return NOTHING, None

    def keep(self, keys: list[bytes], vectors: Vectors, report: Report) -> None:
        """Hand rows to the store, without anybody waiting for it; until it has them they are entries."""
        self._leave_what_others_kept()
        for key, row in zip(keys, vectors, strict=True):
            self.entries.setdefault(key, row)
        self._unkept.append((keys, vectors, report))
        self._behind += vectors.nbytes
        if not self._is_keeping():
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def room(self) -> None:
        """Wait while too much waits to be kept."""
        while self._behind > BEHIND and self._is_keeping():
            if self._kept is None:
                self._kept = asyncio.Event()
            await self._kept.wait()

    async def flush(self) -> None:
        """Wait until everything is kept."""
        self._leave_what_others_kept()
        if self._keeper is not None and self._is_keeping():
            await asyncio.wait([self._keeper])
        await self._keep()  # what is left when the loop of its keeper has ended before it

    async def aclose(self) -> None:
        """Wait until everything is kept, and close the store, unless somebody else owns it."""
        try:
            await self.flush()
        finally:
            if self._owned:
                await self._store.aclose()

    async def _keep(self) -> None:
        while self._unkept:
            parts = [self._unkept.popleft()]
            rows = len(parts[0][0])
            while self._unkept and _fits(rows, parts[0], self._unkept[0]):
                parts.append(self._unkept.popleft())
                rows += len(parts[-1][0])
            try:
                await self._put(parts)
            finally:
                for keys, vectors, _ in parts:
                    self._behind -= vectors.nbytes
                    for key in keys:
                        if isinstance(self.entries.get(key), np.ndarray):
                            del self.entries[key]
                if self._kept is not None:
                    self._kept.set()
                    self._kept = None

    def _leave_what_others_kept(self) -> None:
        """What a task of an ended loop, or of the parent of a fork, was just writing: it is not known if it has."""
        if self._keeper is None or self._keeper.get_loop() is asyncio.get_running_loop():
            return
        self._keeper = self._kept = None
        waiting = {key for keys, _, _ in self._unkept for key in keys}
        self._behind = sum(vectors.nbytes for _, vectors, _ in self._unkept)
        for key in [key for key, entry in self.entries.items() if isinstance(entry, np.ndarray)]:
            if key not in waiting:
                del self.entries[key]

    def _is_keeping(self) -> bool:
        keeper = self._keeper
        return keeper is not None and not keeper.done() and keeper.get_loop() is asyncio.get_running_loop()

    async def _put(self, parts: Sequence[tuple[list[bytes], Vectors, Report]]) -> None:
        keys, vectors = parts[0][0], parts[0][1]
        if len(parts) > 1:
            keys = [key for keys, _, _ in parts for key in keys]
            vectors = np.concatenate([vectors for _, vectors, _ in parts])
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                await self._store.put_many(keys, vectors)
        except Exception as error:  # noqa: BLE001  # a store may be anybody's, and its failure costs no call anything
            for keys, _, report in parts:
                report("put", len(keys), error)


def _fits(rows: int, first: tuple[list[bytes], Vectors, Report], more: tuple[list[bytes], Vectors, Report]) -> bool:
    return rows + len(more[0]) <= KEPT_AT_ONCE and first[1].shape[1] == more[1].shape[1]


def _usable(
    positions: NDArray[np.intp], vectors: Vectors, keys: int, dim: int | None
) -> tuple[NDArray[np.intp], Vectors]:
    """Without rows that are no embedding: NaN, infinity, zeros. Raises ValueError for an answer that makes no sense."""
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
    doubtful = np.flatnonzero(~good)  # its norm may only be beyond what float32 can hold
    good[doubtful] = np.isfinite(vectors[doubtful]).all(axis=1) & vectors[doubtful].any(axis=1)
    return positions[good], vectors[good]
