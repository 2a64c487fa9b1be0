"""Concurrent calls with few texts share their requests.

A call is sent at once, alone, if no request is in flight. While one is in flight, further calls gather. They are sent
together when it has ended, when they fill a batch, or when the first of them has waited for the window. At most one
batch at a time waits for admission, so that calls the account cannot take yet continue to gather.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aembed._engine.engine import Engine
from aembed._engine.layer import Recipient
from aembed._settings.policies import MergePolicy
from aembed._sharing.participant import Participant
from aembed._sharing.shared_call import SharedCall
from aembed._statistics import EmbedderCounts
from aembed._types import Kind


class MicroBatcher:
    """One embedder's queues: one for documents, and one for queries."""

    def __init__(self, policy: MergePolicy, engine: Engine) -> None:
        self._policy = policy
        self._engine = engine
        counts = engine.recorder.counts
        self._queues: dict[Kind, _Queue] = {
            kind: _Queue(kind, policy.window, self._most_texts, engine, counts) for kind in ("document", "query")
        }

    async def run(self, call: Recipient) -> None:
        """Bring every text to its end, in one request with other calls where that pays."""
        if len(call.texts) < self._most_texts():
            await self._queues[call.kind].run(call)
        else:
            await self._engine.run(call)

    async def aclose(self) -> None:
        """Wait for the end of shared calls that have lost all their participants."""
        for queue in self._queues.values():
            await queue.aclose()

    def _most_texts(self) -> int:
        """Largest number of texts in a batch."""
        return min(self._policy.max_texts, self._engine.effective_spec().max_batch_texts or self._policy.max_texts)


class _Queue:
    """Calls of one kind: those that gather, in the order they came, and the batches that were sent."""

    def __init__(
        self, kind: Kind, window: float, most_texts: Callable[[], int], engine: Engine, counts: EmbedderCounts
    ) -> None:
        self._kind: Kind = kind
        self._window = window
        self._most_texts = most_texts
        self._engine = engine
        self._counts = counts
        self._gathered: OrderedDict[Participant, float] = OrderedDict()
        """Calls that gather, and the loop time at which each is sent at the latest."""
        self._texts = 0
        """Number of texts in the calls that gather."""
        self._under_way: set[Recipient] = set()
        """Batches in flight, and calls that were sent alone."""
        self._unsent: Recipient | None = None
        """The batch that waits for admission."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, call: Recipient) -> None:
        if self._under_way and not self._engine.is_late(call):  # such a call fails at once, and has not to gather
            await self._run_together(call)
            return
        self._left(call)
        try:
            await self._engine.run(call)
        finally:
            self._landed(call)

    async def aclose(self) -> None:
        shared_calls = [call for call in self._under_way if isinstance(call, SharedCall)]
        ending = [shared.task for shared in shared_calls if shared.release(unless=self) and shared.task]
        if ending:
            await asyncio.wait(ending)

    async def _run_together(self, call: Recipient) -> None:
        participant = Participant(call, self, missing=len(call.texts))
        self._gathered[participant] = asyncio.get_running_loop().time() + self._window
        self._texts += len(call.texts)
        self._depart()
        try:
            await participant.finish()
            if left := participant.take_back():
                await self._send_alone(participant, left)
        finally:
            if self._gathered.pop(participant, None) is None:
                await participant.leave()
            else:
                self._texts -= len(call.texts)
                self._set_timer()

    async def _send_alone(self, participant: Participant, indices: Sequence[int]) -> None:
        """Send texts again, alone, after their batch was rejected as a whole or crashed: they may be good."""
        # Not through `run`: the same calls would gather, and be rejected together again.
        shared = SharedCall([participant.call.texts[index] for index in indices], self._kind, self)
        shared.join(participant, range(len(indices)), indices)
        await self._engine.run(shared)

    def _depart(self, *, landed: bool = False) -> None:
        """Send the batches whose time has come. ``landed``: a request has ended, so that one batch may be sent."""
        now = asyncio.get_running_loop().time()
        while self._gathered and self._unsent is None:
            # No request is in flight whose end would let this batch leave, so it is sent now.
            landed = landed or not self._under_way
            until = next(iter(self._gathered.values()))
            if not landed and self._texts < self._most_texts() and now < until:
                break
            # The end of one request makes room for one batch; more at once would defeat the gathering.
            landed = False
            self._send_next()
        self._set_timer()

    def _send_next(self) -> None:
        """Send the next batch: as many calls as fit, in the order they came."""
        together = self._take_next()
        texts = dict.fromkeys(text for participant in together for text in participant.call.texts)
        index_of = {text: index for index, text in enumerate(texts)}
        # A crash must raise in one call only: with several, each sends its texts again and meets its own error.
        leader = together[0] if len(together) == 1 else None
        shared = SharedCall(list(texts), self._kind, self, leader=leader)
        for participant in together:
            own = participant.call.texts
            participant.missing = 0  # from now on its seats are counted
            shared.join(participant, [index_of[text] for text in own], range(len(own)))
        if leader is None:
            self._counts.merged_calls += len(together)
            self._counts.merged_requests += 1
            if shared.record is not None:
                shared.record.merge()
        self._left(shared)
        shared.start(self._engine).add_done_callback(lambda _: self._landed(shared))

    def _take_next(self) -> list[Participant]:
        together: list[Participant] = []
        room = self._most_texts()
        # The first call is always sent, even if the limit has since shrunk below its texts: the engine splits it.
        while self._gathered and (not together or len(next(iter(self._gathered)).call.texts) <= room):
            participant, _ = self._gathered.popitem(last=False)
            room -= len(participant.call.texts)
            self._texts -= len(participant.call.texts)
            together.append(participant)
        return together

    def _left(self, call: Recipient) -> None:
        self._under_way.add(call)
        self._unsent = call
        call.on_sent = lambda: self._sent(call)

    def _sent(self, call: Recipient) -> None:
        if self._unsent is call:
            self._unsent = None
            self._depart()

    def _landed(self, call: Recipient) -> None:
        self._under_way.discard(call)
        call.on_sent = None  # it refers to the call
        if self._unsent is call:
            self._unsent = None
        self._depart(landed=True)

    def _set_timer(self) -> None:
        """Set the one timer. It may fire too early, which is harmless and cheaper than a change for each call."""
        if self._timer is not None and not self._gathered:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and self._gathered and self._unsent is None:
            until = next(iter(self._gathered.values()))
            self._timer = asyncio.get_running_loop().call_at(until, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._depart()
