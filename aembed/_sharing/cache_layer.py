"""What is known is not sent, and what is on its way is not sent again: cache and single-flight are one structure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import anyio.lowlevel
import numpy as np

from aembed._engine.call import Job, Run
from aembed._events import Counts, Event, StoreFailed
from aembed._sharing.cache import Cache, Lookup, Operation
from aembed._sharing.cache_key import Identity
from aembed._sharing.shared_call import Flight, Waiter
from aembed._types import Batch, ModelSpec, Reply, Vectors

LOOKED_UP_AT_ONCE = 1024
"""Texts; the loop is free for others in between."""

SENT_AT_ONCE = 4096
"""Texts that join a flight before the loop is free for others again."""

HIT = Reply(np.empty((0, 0), np.float32), tokens=0)
"""What a row from the cache has cost."""


class Memo:
    """One embedder's way to a cache, which it may share with others.

    What a call finds nowhere is sent in a flight of its own, in a task that this memo owns. The first who waits is
    charged for it. Failures and texts that were cut are not kept.
    """

    def __init__(
        self,
        cache: Cache,
        identity: Identity,
        run: Run,
        *,
        spec: Callable[[], ModelSpec],
        counts: Counts,
        emit: Callable[[Event], None] | None,
    ) -> None:
        self._cache = cache
        self._identity = identity
        self._run = run
        self._spec = spec
        self._counts = counts
        self._emit = emit
        self._flights: set[Flight] = set()

    async def run(self, job: Job) -> None:
        """Bring every text to its end: by a hit, by somebody's flight, or by one of its own."""
        waiter = Waiter(job, self)
        left: Sequence[int] = range(len(job.texts))
        try:
            while left and not job.stopped:
                while left and not job.stopped:
                    left = await self._seek(waiter, left)
                await waiter.finish()
                left = sorted(waiter.take_back())
        finally:
            await waiter.leave()

    async def aclose(self) -> None:
        """End the flights that no call of this embedder waits for, and see that what has landed is kept."""
        ending = [flight.task for flight in tuple(self._flights) if flight.release(unless=self) and flight.task]
        if ending:
            await asyncio.wait(ending)
        await self._cache.flush()

    async def _seek(self, waiter: Waiter, left: Sequence[int]) -> list[int]:
        """Look everywhere once, and send what is nowhere. Returns what others were looking up meanwhile."""
        job, entries, lookup = waiter.job, self._cache.entries, Lookup()
        missing: dict[bytes, int] = {}
        elsewhere: dict[bytes, int] = {}
        try:
            for start in range(0, len(left), LOOKED_UP_AT_ONCE):
                if start:
                    await anyio.lowlevel.checkpoint()
                indices = left[start : start + LOOKED_UP_AT_ONCE]
                keys = self._identity.keys([job.texts[index] for index in indices], job.kind)
                mine = dict(zip(keys, indices, strict=True))
                if entries and not entries.keys().isdisjoint(mine):
                    elsewhere |= {key: mine.pop(key) for key in keys if key in entries}
                entries.update(dict.fromkeys(mine, lookup))
                missing |= mine
                for key in await self._find(job, mine):
                    del entries[key], missing[key]
            if missing:
                await self._cache.room()
                await self._send(waiter, missing)
        finally:
            for key in missing:
                if entries.get(key) is lookup:
                    del entries[key]
            lookup.end()
        return await self._join(waiter, elsewhere)

    async def _find(self, job: Job, keys: dict[bytes, int]) -> Sequence[bytes]:
        """Place what the store knows. Returns its keys."""
        if not keys:
            return ()
        wanted = list(keys)
        positions, vectors = await self._cache.get(wanted, self._spec().dim or job.dim, self._report)
        if vectors is None or not len(positions):
            return ()
        found = wanted if len(positions) == len(wanted) else [wanted[position] for position in positions.tolist()]
        self._place(job, [keys[key] for key in found], vectors)
        return found

    def _place(self, job: Job, indices: Sequence[int], vectors: Vectors) -> None:
        whole = len(indices) == len(job.texts)  # and so they are in order
        rows = slice(0, len(indices)) if whole else np.array(indices, np.intp)
        job.place(Batch([job.texts[index] for index in indices], rows), HIT, vectors)
        self._counts.cache_hits += len(indices)

    async def _send(self, waiter: Waiter, missing: dict[bytes, int]) -> None:
        keys, indices = list(missing), list(missing.values())
        flight = Flight([waiter.job.texts[index] for index in indices], waiter.job.kind, self)
        flight.leader = waiter
        flight.on_settled = partial(self._settled, keys)
        try:
            for start in range(0, len(keys), SENT_AT_ONCE):
                if start:
                    await anyio.lowlevel.checkpoint()
                seats = range(start, min(start + SENT_AT_ONCE, len(keys)))
                flight.join(waiter, ((seat, indices[seat]) for seat in seats))
                self._cache.entries.update((keys[seat], (flight, seat)) for seat in seats)
        except BaseException:  # cancelled: those who have joined meanwhile see to their texts themselves
            flight.release()
            raise
        self._counts.cache_misses += len(keys)
        self._flights.add(flight)
        flight.start(self._run).add_done_callback(lambda _: self._flights.discard(flight))

    async def _join(self, waiter: Waiter, elsewhere: dict[bytes, int]) -> list[int]:
        """Wait for flights of others. Returns the texts that are not under way yet, or no longer."""
        again: list[int] = []
        lookups: dict[Lookup, None] = {}
        for key, own in elsewhere.items():
            entry = self._cache.entries.get(key)
            if isinstance(entry, tuple):
                flight, index = entry
                flight.join(waiter, [(index, own)])
                self._counts.cache_shared += 1
            elif isinstance(entry, np.ndarray):
                self._place(waiter.job, [own], entry[None].copy())
            else:
                again.append(own)
                if entry is not None:
                    lookups[entry] = None
        for lookup in lookups:
            await lookup.wait()
        return sorted(again)

    def _settled(self, keys: list[bytes], flight: Flight, indices: list[int], vectors: Vectors | None) -> None:
        """Texts of a flight have their end: with rows, these are kept, but for those of texts that were cut."""
        entries = self._cache.entries
        for index in indices:
            entry = entries.get(keys[index])
            if isinstance(entry, tuple) and entry[0] is flight:
                del entries[keys[index]]
        if vectors is None:
            return
        whole = [position for position, index in enumerate(indices) if index not in flight.truncated]
        if whole:
            rows = vectors if len(whole) == len(indices) else vectors[whole]
            self._cache.keep([keys[indices[position]] for position in whole], rows, self._report)

    def _report(self, operation: Operation, texts: int, error: Exception) -> None:
        self._counts.cache_failures += texts
        if self._emit is not None:
            self._emit(StoreFailed(model=self._spec().name, operation=operation, texts=texts, error=error))
