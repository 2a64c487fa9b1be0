"""Vectors in memory, up to a number of bytes; rows that are new to a full store make room first.

Rows are in a few large arrays, so that thousands of hits are one lookup each and then one copy per array.

Once rows have made room, a new row is on trial: those on trial make room before all others, until they are used again.
One new row of sixteen, by lot, is spared the trial. So a scan of more rows than the store holds passes through a
sixteenth of it and leaves the others in place, where plain LRU would evict each row before its next use; and a
working set that moves still gets in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from aembed._errors import ConfigError
from aembed._types import Vectors

SLABS = 16
"""Into so many parts the memory is divided. Each holds rows of one dimension, and can pass to another dimension."""
STRIDE = 2**32
"""A place is ``slab * STRIDE + row``."""
ROW_OVERHEAD_BYTES = 340
"""Bytes: the key (80), its place as an int (32), the slab's record of it (20), and the most a dict ever takes."""
EVICTED_ONE_IN = 16
"""One in so many rows makes room at a time, so that looking for the oldest costs little per row."""
ADMIT_ONE_IN = 16
"""One in so many new rows is kept in a full store without a trial."""
PROVEN_BONUS = 2**62
"""Added to the last use of a row that is not on trial, so that rows on trial are evicted first."""
MIN_BYTES = 2**20
"""Room for 160 vectors of 1,536 numbers: less is a mistake, most likely megabytes given as bytes."""


class MemoryStore:
    """Keeps vectors in this process. A full store keeps most of its rows: new rows make room first, until used.

    ``max_bytes`` bounds everything: rows, keys, and the table that finds them. A row of dimension ``dim`` takes
    ``4 * dim + 340`` bytes of it. Memory is taken as it is filled. Nothing awaits inside, so that calls of one loop
    never interleave; a lock keeps the loops of several threads apart.

    Raises:
        ConfigError: ``max_bytes`` is less than a mebibyte.
    """

    def __init__(self, *, max_bytes: int = 2**28) -> None:
        if max_bytes < MIN_BYTES:
            raise ConfigError(f"max_bytes={max_bytes}: give a MemoryStore at least {MIN_BYTES}")
        self.max_bytes = max_bytes
        self._places: dict[bytes, int] = {}
        self._slabs: list[_Slab] = []
        self._clock = 0
        self._dropped = 0
        self._lots = np.random.default_rng()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<MemoryStore vectors={len(self)} max_bytes={self.max_bytes}>"

    def __len__(self) -> int:
        return len(self._places)

    @property
    def dropped(self) -> int:
        """Rows that have made room for others."""
        return self._dropped

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        """Positions of known ``keys``, ascending, and their rows: float32, shape ``(k, dim)``, a copy."""
        with self._locked():
            places = self._look_up(keys)
            found = np.flatnonzero(places >= 0)
            slabs, rows = np.divmod(places[found], STRIDE)
            if dim is None:
                dim = self._slabs[slabs[0]].dim if len(found) else 0
            numbers = [number for number, slab in enumerate(self._slabs) if slab.dim == dim]
            if len(numbers) < len(self._slabs):
                same = np.isin(slabs, numbers)
                found, slabs, rows = found[same], slabs[same], rows[same]
            return found, self._copy(slabs, rows, dim)

    async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep copies of ``vectors``, shape ``(len(keys), dim)``. A row above ``max_bytes / 16`` is not kept."""
        size = self._rows_of_a_slab(vectors.shape[1])
        if not size:
            return
        with self._locked():
            for start in range(0, len(keys), size):
                self._put(keys[start : start + size], vectors[start : start + size])

    async def aclose(self) -> None:
        """Free the memory. The store is empty then, and may be used again."""
        with self._locked():
            self._places = {}
            self._slabs = []

    def _locked(self) -> threading.Lock:
        """The lock. In the child of a fork it is a new one, and if some thread of the parent had it, all is forgotten.

        That thread does not exist in the child: it can neither release the lock nor finish its change.
        """
        if self._process != os.getpid():
            if self._lock.locked():
                self._places, self._slabs = {}, []
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock

    def _rows_of_a_slab(self, dim: int) -> int:
        return self.max_bytes // SLABS // (4 * dim + ROW_OVERHEAD_BYTES)

    def _look_up(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """The place of each key; -1 where there is none."""
        return np.fromiter(map(self._places.get, keys, repeat(-1)), np.int64, len(keys))

    def _copy(self, slabs: NDArray[np.int64], rows: NDArray[np.int64], dim: int) -> Vectors:
        self._clock += 1
        numbers = set(slabs.tolist())
        if len(numbers) == 1:
            slab = self._slabs[numbers.pop()]
            slab.use(rows, self._clock)
            only: Vectors = slab.rows.take(rows, axis=0)
            return only
        vectors = np.empty((len(rows), dim), np.float32)
        for number in numbers:
            slab, here = self._slabs[number], np.flatnonzero(slabs == number)
            slab.use(rows[here], self._clock)
            vectors[here] = slab.rows.take(rows[here], axis=0)
        return vectors

    def _put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Store at most one slab's worth of rows. Of the same key twice, the later row stays."""
        self._clock += 1
        latest = {key: position for position, key in enumerate(keys)}
        for key in self._places.keys() & latest.keys():  # most often none: then this is one look at all of them
            place = self._places.pop(key)
            self._slabs[place // STRIDE].free([place % STRIDE])
        left = list(latest.items())
        while left:
            number = self._slab_with_room(vectors.shape[1], len(left))
            slab = self._slabs[number]
            rows = slab.take(len(left))
            taken, left = left[: len(rows)], left[len(rows) :]
            slab.rows[rows] = vectors[[position for _, position in taken]]
            slab.begin(rows, self._clock, proven=not self._dropped or self._lots.random(len(rows)) < 1 / ADMIT_ONE_IN)
            for row, (key, _) in zip(rows.tolist(), taken, strict=True):
                slab.keys[row] = key
            places = (number * STRIDE + rows.astype(np.int64)).tolist()
            self._places.update(zip([key for key, _ in taken], places, strict=True))

    def _slab_with_room(self, dim: int, wanted: int) -> int:
        """Number of a slab of this dimension with a free row, made or emptied if there is none."""
        own = [number for number, slab in enumerate(self._slabs) if slab.dim == dim]
        for number in own:
            if self._slabs[number].room:
                return number
        if len(self._slabs) < SLABS:
            self._slabs.append(_Slab(self._rows_of_a_slab(dim), dim))
            return len(self._slabs) - 1
        last_use = [int(slab.used.max()) for slab in self._slabs]
        stalest = last_use.index(min(last_use))
        if all(last_use[stalest] < self._slabs[number].used.min() for number in own):
            self._forget(self._slabs[stalest], np.flatnonzero(self._slabs[stalest].used))
            self._slabs[stalest] = _Slab(self._rows_of_a_slab(dim), dim)
            return stalest
        self._evict([self._slabs[number] for number in own], wanted)
        return self._slab_with_room(dim, wanted)

    def _evict(self, slabs: Sequence[_Slab], wanted: int) -> None:
        """Free rows of full ``slabs``, all of one size: those on trial first, the least recently used of each kind."""
        used = np.concatenate([slab.used + PROVEN_BONUS * slab.proven for slab in slabs])
        count = min(len(used), max(wanted, len(used) // EVICTED_ONE_IN))
        oldest = np.sort(np.argpartition(used, count - 1)[:count])
        parts = np.split(oldest, np.searchsorted(oldest, np.arange(1, len(slabs)) * len(slabs[0].used)))
        for number, (slab, part) in enumerate(zip(slabs, parts, strict=True)):
            self._forget(slab, part - number * len(slab.used))

    def _forget(self, slab: _Slab, rows: NDArray[np.intp]) -> None:
        self._dropped += len(rows)
        for row in rows.tolist():
            del self._places[slab.keys[row]]
        slab.free(rows)


class _Slab:
    """Rows of one dimension, the key of each, when it was last used (0 where the row is free), and if it is proven."""

    __slots__ = ("_free", "dim", "keys", "proven", "room", "rows", "used")

    def __init__(self, size: int, dim: int) -> None:
        self.dim = dim
        self.rows: Vectors = np.empty((size, dim), np.float32)
        self.used = np.zeros(size, np.int64)
        self.proven = np.zeros(size, np.bool_)
        self.keys = [b""] * size
        self.room = size
        """Free rows; ``_free`` begins with their numbers."""
        self._free = np.arange(size, dtype=np.int32)[::-1].copy()

    def take(self, wanted: int) -> NDArray[np.int32]:
        """Numbers of free rows, as many as wanted and there are."""
        end, self.room = self.room, max(0, self.room - wanted)
        return self._free[self.room : end].copy()

    def begin(self, rows: NDArray[np.int32], now: int, *, proven: bool | NDArray[np.bool_]) -> None:
        """These rows are new; those that are not ``proven`` are on trial."""
        self.used[rows] = now
        self.proven[rows] = proven

    def use(self, rows: NDArray[np.int64], now: int) -> None:
        self.used[rows] = now
        self.proven[rows] = True

    def free(self, rows: NDArray[np.intp] | list[int]) -> None:
        self.used[rows] = 0
        self._free[self.room : self.room + len(rows)] = rows
        self.room += len(rows)
