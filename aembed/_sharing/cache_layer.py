"""What is known is not sent, and what is on its way is not sent again: cache and single-flight are one structure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import anyio.lowlevel
import numpy as np

from aembed._engine.call import Call, Layer
from aembed._events import Counts, Event, StoreFailed
from aembed._sharing.cache import Cache, Lookup, Operation
from aembed._sharing.cache_key import CacheKeys
from aembed._sharing.shared_call import Participant, SharedCall
from aembed._types import Batch, ModelSpec, Reply, Vectors

LOOKED_UP_AT_ONCE = 1024
"""Texts; the loop is free for others in between."""

SENT_AT_ONCE = 4096
"""Texts that join a shared call before the loop is free for others again."""

HIT = Reply(np.empty((0, 0), np.float32), tokens=0)
"""What a row from the cache has cost."""


class CacheLayer:
    """One embedder's way to a cache, which it may share with others.

    What a call finds nowhere is sent in a shared call of its own, in a task that this layer owns. The first participant
    pays for it. Failures and texts that were cut are not kept.
    """

    def __init__(
        self,
        cache: Cache,
        keys: CacheKeys,
        below: Layer,
        *,
        spec: Callable[[], ModelSpec],
        counts: Counts,
        emit: Callable[[Event], None] | None,
    ) -> None:
        self._cache = cache
        self._keys = keys
        self._below = below
        self._spec = spec
        self._counts = counts
        self._emit = emit
        self._shared_calls: set[SharedCall] = set()

    async def run(self, call: Call) -> None:
        """Bring every text to its end: by a hit, by another call's request, or by one of its own."""
        participant = Participant(call, self)
        left: Sequence[int] = range(len(call.texts))
        try:
            while left and not call.stopped:
                while left and not call.stopped:
                    left = await self._seek(participant, left)
                await participant.finish()
                left = sorted(participant.take_back())
        finally:
            await participant.leave()

    async def aclose(self) -> None:
        """End the shared calls that no call of this embedder waits for, and see that what has landed is kept."""
        ending = [shared.task for shared in tuple(self._shared_calls) if shared.release(unless=self) and shared.task]
        if ending:
            await asyncio.wait(ending)
        await self._cache.flush()

    async def _seek(self, participant: Participant, left: Sequence[int]) -> list[int]:
        """Look everywhere once, and send what is nowhere. Returns what others were looking up meanwhile."""
        call, entries, lookup = participant.call, self._cache.entries, Lookup()
        missing: dict[bytes, int] = {}
        elsewhere: dict[bytes, int] = {}
        try:
            for start in range(0, len(left), LOOKED_UP_AT_ONCE):
                if start:
                    await anyio.lowlevel.checkpoint()
                indices = left[start : start + LOOKED_UP_AT_ONCE]
                keys = self._keys.of([call.texts[index] for index in indices], call.kind)
                mine = dict(zip(keys, indices, strict=True))
                if entries and not entries.keys().isdisjoint(mine):
                    elsewhere |= {key: mine.pop(key) for key in keys if key in entries}
                entries.update(dict.fromkeys(mine, lookup))
                missing |= mine
                for key in await self._find(call, mine):
                    del entries[key], missing[key]
            if missing:
                await self._cache.room()
                await self._send(participant, missing)
        finally:
            for key in missing:
                if entries.get(key) is lookup:
                    del entries[key]
            lookup.end()
        return await self._join(participant, elsewhere)

    async def _find(self, call: Call, keys: dict[bytes, int]) -> Sequence[bytes]:
        """Place what the store knows. Returns its keys."""
        if not keys:
            return ()
        wanted = list(keys)
        positions, vectors = await self._cache.get(wanted, self._spec().dim or call.dim, self._report)
        if vectors is None or not len(positions):
            return ()
        found = wanted if len(positions) == len(wanted) else [wanted[position] for position in positions.tolist()]
        self._place(call, [keys[key] for key in found], vectors)
        return found

    def _place(self, call: Call, indices: Sequence[int], vectors: Vectors) -> None:
        whole = len(indices) == len(call.texts)  # and so they are in order
        rows = slice(0, len(indices)) if whole else np.array(indices, np.intp)
        call.place(Batch([call.texts[index] for index in indices], rows), HIT, vectors)
        self._counts.cache_hits += len(indices)

    async def _send(self, participant: Participant, missing: dict[bytes, int]) -> None:
        keys, indices = list(missing), list(missing.values())
        shared = SharedCall([participant.call.texts[index] for index in indices], participant.call.kind, self)
        shared.leader = participant
        shared.on_settled = partial(self._settled, keys)
        try:
            for start in range(0, len(keys), SENT_AT_ONCE):
                if start:
                    await anyio.lowlevel.checkpoint()
                seats = range(start, min(start + SENT_AT_ONCE, len(keys)))
                shared.join(participant, ((seat, indices[seat]) for seat in seats))
                self._cache.entries.update((keys[seat], (shared, seat)) for seat in seats)
        except BaseException:  # cancelled: those who have joined meanwhile see to their texts themselves
            shared.release()
            raise
        self._counts.cache_misses += len(keys)
        self._shared_calls.add(shared)
        shared.start(self._below).add_done_callback(lambda _: self._shared_calls.discard(shared))

    async def _join(self, participant: Participant, elsewhere: dict[bytes, int]) -> list[int]:
        """Wait for shared calls of others. Returns the texts that are not under way yet, or no longer."""
        again: list[int] = []
        lookups: dict[Lookup, None] = {}
        for key, own in elsewhere.items():
            entry = self._cache.entries.get(key)
            if isinstance(entry, tuple):
                shared, index = entry
                shared.join(participant, [(index, own)])
                self._counts.cache_shared += 1
            elif isinstance(entry, np.ndarray):
                self._place(participant.call, [own], entry[None].copy())
            else:
                again.append(own)
                if entry is not None:
                    lookups[entry] = None
        for lookup in lookups:
            await lookup.wait()
        return sorted(again)

    def _settled(self, keys: list[bytes], shared: SharedCall, indices: list[int], vectors: Vectors | None) -> None:
        """Texts of a shared call have their end: with rows, these are kept, but for those of texts that were cut."""
        entries = self._cache.entries
        for index in indices:
            entry = entries.get(keys[index])
            if isinstance(entry, tuple) and entry[0] is shared:
                del entries[keys[index]]
        if vectors is None:
            return
        whole = [position for position, index in enumerate(indices) if index not in shared.truncated]
        if whole:
            rows = vectors if len(whole) == len(indices) else vectors[whole]
            self._cache.keep([keys[indices[position]] for position in whole], rows, self._report)

    def _report(self, operation: Operation, texts: int, error: Exception) -> None:
        self._counts.cache_failures += texts
        if self._emit is not None:
            self._emit(StoreFailed(model=self._spec().name, operation=operation, texts=texts, error=error))
