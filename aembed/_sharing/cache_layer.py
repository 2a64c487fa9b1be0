"""Cached texts are not sent, and texts in flight are not sent again: cache and single-flight are one structure."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import anyio.lowlevel
import numpy as np

from aembed._engine.engine import Engine
from aembed._engine.layer import Layer, Recipient
from aembed._sharing.cache import Cache
from aembed._sharing.cache_key import CacheKeys
from aembed._sharing.entries import LookedUp, Requested, Unstored
from aembed._sharing.participant import Participant
from aembed._sharing.seats import batch_of
from aembed._sharing.shared_call import SharedCall
from aembed._types import Batch, Reply, Vectors

MAX_TEXTS_PER_LOOKUP = 1024
"""Texts of one lookup: their keys take a millisecond to hash, and other tasks run between two lookups."""
MAX_TEXTS_PER_STEP = 4096
"""Texts that join a shared call before other tasks get to run."""

HIT = Reply(np.empty((0, 0), np.float32), tokens=0)
"""The cost of a row from the cache."""


class CacheLayer:
    """The cache of one embedder, which may share it with others. Texts that are neither cached nor in flight are sent
    in a shared call, in a task that this layer owns. The call that began it pays for it.
    Failures, and vectors of shortened texts, are not cached.
    """

    def __init__(self, cache: Cache, keys: CacheKeys, below: Layer, engine: Engine) -> None:
        self._cache = cache
        self._keys = keys
        self._below = below
        self._engine = engine
        self._counts = engine.recorder.counts
        self._report = engine.recorder.store_failed
        engine.recorder.cache_dropped = lambda: cache.dropped
        self._in_flight: dict[SharedCall, Requested] = {}

    async def run(self, call: Recipient) -> None:
        """Bring every text to its end: by a hit, by a request of another call, or by a new request."""
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
        """End the shared calls that no call of this embedder waits for, and store the rows that have arrived."""
        ending = [shared.task for shared in tuple(self._in_flight) if shared.release(unless=self) and shared.task]
        if ending:
            await asyncio.wait(ending)
        await self._cache.flush()

    async def _seek(self, participant: Participant, left: Sequence[int]) -> list[int]:
        """Look up every text once, and send the missing ones. Returns the texts that other calls were looking up."""
        call, entries, lookup = participant.call, self._cache.entries, LookedUp()
        missing: dict[bytes, int] = {}
        elsewhere: dict[bytes, int] = {}
        try:
            for start in range(0, len(left), MAX_TEXTS_PER_LOOKUP):
                if start:
                    await anyio.lowlevel.checkpoint()
                indices = left[start : start + MAX_TEXTS_PER_LOOKUP]
                keys = self._keys.of([call.texts[index] for index in indices], call.kind)
                mine = dict(zip(keys, indices, strict=True))
                if entries and not entries.keys().isdisjoint(mine):
                    elsewhere |= {key: mine.pop(key) for key in keys if key in entries}
                # Entered before the first suspension: no other call may look for the same key and send its text too.
                entries.update(dict.fromkeys(mine, lookup))
                missing |= mine
                for key in await self._find(call, mine):
                    del entries[key], missing[key]
            if missing:
                # Before sending: paid vectors are never dropped, so a slow store has to delay calls that fill memory.
                await self._cache.room()
                await self._send(participant, missing)
        finally:
            # Cancelled or failed before the shared call took the keys over; `end` lets the waiting calls look again.
            for key in missing:
                if entries.get(key) is lookup:
                    del entries[key]
            lookup.end()
        return await self._join(participant, elsewhere) if elsewhere else []

    async def _find(self, call: Recipient, keys: dict[bytes, int]) -> Sequence[bytes]:
        """Place the rows that the store has. Returns their keys."""
        if not keys:
            return ()
        wanted = list(keys)
        dim = self._engine.spec.dim or call.dim
        positions, vectors = await self._cache.get(wanted, dim, self._report)
        if vectors is None or not len(positions):
            return ()
        found = wanted if len(positions) == len(wanted) else [wanted[position] for position in positions.tolist()]
        self._place(call, [keys[key] for key in found], vectors)
        return found

    def _place(self, call: Recipient, indices: list[int], vectors: Vectors) -> None:
        call.place(batch_of([call.texts[index] for index in indices], indices), HIT, vectors)
        self._counts.cache_hits += len(indices)
        if call.record is not None:
            call.record.cache_hits += len(indices)

    async def _send(self, participant: Participant, missing: dict[bytes, int]) -> None:
        """Send the texts in a shared call, which other calls may join from now on."""
        call, keys, indices = participant.call, list(missing), list(missing.values())
        texts = [call.texts[index] for index in indices]
        shared = SharedCall(texts, call.kind, self, leader=participant, on_settled=self._settled)
        in_flight = self._in_flight[shared] = Requested(shared, keys)
        try:
            for start in range(0, len(keys), MAX_TEXTS_PER_STEP):
                if start:
                    await anyio.lowlevel.checkpoint()
                seats = range(start, min(start + MAX_TEXTS_PER_STEP, len(keys)))
                shared.join(participant, seats, indices[seats.start : seats.stop])
                self._cache.entries.update(dict.fromkeys(keys[seats.start : seats.stop], in_flight))
        except BaseException:  # cancelled: calls that have joined meanwhile send their texts themselves
            shared.release()
            del self._in_flight[shared]
            raise
        self._counts.cache_misses += len(keys)
        if call.record is not None:
            call.record.cache_misses += len(keys)
        # Started last: no request may end before every seat is taken.
        shared.start(self._below).add_done_callback(lambda _: self._in_flight.pop(shared))

    async def _join(self, participant: Participant, elsewhere: dict[bytes, int]) -> list[int]:
        """Join the shared calls of others. Returns the texts that are not in flight yet, or no longer."""
        call, waits = participant.call, False
        again: list[int] = []
        lookups: dict[LookedUp, None] = {}
        for key, own in elsewhere.items():
            match self._cache.entries.get(key):
                case Requested() as in_flight:
                    waits |= not in_flight.call.join(participant, [in_flight.index(key)], [own])
                    self._counts.cache_shared += 1
                    if call.record is not None:
                        call.record.cache_shared += 1
                case Unstored() as rows:
                    self._place(call, [own], rows.row(key)[None])
                case LookedUp() as lookup:
                    again.append(own)
                    lookups[lookup] = None
                case None:
                    again.append(own)
        if waits and self._engine.is_late(call):  # those calls may have more time than this one
            call.run_out(Batch(call.texts, slice(0, len(call.texts))), math.inf)
        for lookup in lookups:
            await lookup.wait()
        return sorted(again)

    def _settled(self, shared: SharedCall, indices: Sequence[int], vectors: Vectors | None) -> None:
        """Note that texts of a shared call have ended, and cache their rows, except those of shortened texts."""
        in_flight = self._in_flight[shared]
        keys = [in_flight.keys[index] for index in indices]
        if vectors is not None and not shared.truncated.isdisjoint(indices):
            self._cache.forget(keys, in_flight)
            whole = [position for position, index in enumerate(indices) if index not in shared.truncated]
            keys, vectors = [keys[position] for position in whole], vectors[whole]
        if vectors is not None and keys:
            self._cache.put(keys, vectors, self._report, in_flight)
        else:
            self._cache.forget(keys, in_flight)
