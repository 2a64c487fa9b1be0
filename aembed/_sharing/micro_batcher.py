"""Concurrent calls with few texts share their requests.

A call that finds nothing under way goes at once, as it is. While something is under way the others gather, and leave
together when it lands, when there are enough of them, or when the first has waited for the window. At most one batch at
a time waits for its admission, so that what the account cannot take yet goes on gathering.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aembed._engine.call import Call, Layer
from aembed._events import Counts
from aembed._settings.policies import MergePolicy
from aembed._sharing.shared_call import Participant, SharedCall
from aembed._types import Kind, ModelSpec


class MicroBatcher:
    """One embedder's gathering: documents by themselves, and queries by themselves."""

    def __init__(self, policy: MergePolicy, below: Layer, *, spec: Callable[[], ModelSpec], counts: Counts) -> None:
        self._policy = policy
        self._below = below
        self._spec = spec
        self._queues: dict[Kind, _Queue] = {
            kind: _Queue(kind, policy.window, self._most, below, counts) for kind in ("document", "query")
        }

    async def run(self, call: Call) -> None:
        """Bring every text to its end, with the requests of others where that is of use."""
        if len(call.texts) < self._most():
            await self._queues[call.kind].run(call)
        else:
            await self._below.run(call)

    async def aclose(self) -> None:
        """Wait for the end of what nobody waits for any more."""
        for queue in self._queues.values():
            await queue.aclose()

    def _most(self) -> int:
        """Texts in a batch."""
        return min(self._policy.max_texts, self._spec().max_batch_texts or self._policy.max_texts)


class _Queue:
    """Calls of one kind: those that gather, in the order they came, and the batches that have left."""

    def __init__(self, kind: Kind, window: float, most: Callable[[], int], below: Layer, counts: Counts) -> None:
        self._kind: Kind = kind
        self._window = window
        self._most = most
        self._below = below
        self._counts = counts
        self._gathered: OrderedDict[Participant, float] = OrderedDict()
        """Who waits for company, and until when."""
        self._texts = 0
        """Of those who gather."""
        self._under_way: set[Call] = set()
        """Batches, and a call that found nothing under way."""
        self._unsent: Call | None = None
        """The one of these that waits for its admission."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, call: Call) -> None:
        if self._under_way:
            await self._run_together(call)
            return
        self._left(call)
        try:
            await self._below.run(call)
        finally:
            self._landed(call)

    async def aclose(self) -> None:
        shared_calls = [call for call in self._under_way if isinstance(call, SharedCall)]
        ending = [shared.task for shared in shared_calls if shared.release(unless=self) and shared.task]
        if ending:
            await asyncio.wait(ending)

    async def _run_together(self, call: Call) -> None:
        participant = Participant(call, self)
        participant.missing = len(call.texts)
        self._gathered[participant] = asyncio.get_running_loop().time() + self._window
        self._texts += len(call.texts)
        self._depart()
        try:
            await participant.finish()
            if left := participant.take_back():
                await self._try_alone(participant, left)
        finally:
            if self._gathered.pop(participant, None) is None:
                await participant.leave()
            else:
                self._texts -= len(call.texts)
                self._set_timer()

    async def _try_alone(self, participant: Participant, indices: Sequence[int]) -> None:
        """A batch that was refused as a whole, or has crashed, says nothing about these texts of it."""
        shared = SharedCall([participant.call.texts[index] for index in indices], self._kind, self)
        shared.join(participant, enumerate(indices))
        await self._below.run(shared)

    def _depart(self, *, landed: bool = False) -> None:
        """Let batches leave for which it is time."""
        now = asyncio.get_running_loop().time()
        while self._gathered and self._unsent is None:
            landed = landed or not self._under_way
            until = next(iter(self._gathered.values()))
            if not landed and self._texts < self._most() and now < until:
                break
            landed = False
            self._board()
        self._set_timer()

    def _board(self) -> None:
        """The next batch: as many calls as fit, in the order they came."""
        together: list[Participant] = []
        room = self._most()
        while self._gathered and (not together or len(next(iter(self._gathered)).call.texts) <= room):
            participant, _ = self._gathered.popitem(last=False)
            room -= len(participant.call.texts)
            self._texts -= len(participant.call.texts)
            together.append(participant)
        texts = dict.fromkeys(text for participant in together for text in participant.call.texts)
        index_of = {text: index for index, text in enumerate(texts)}
        shared = SharedCall(list(texts), self._kind, self)
        for participant in together:
            participant.missing = 0
            shared.join(participant, [(index_of[text], own) for own, text in enumerate(participant.call.texts)])
        if len(together) == 1:
            shared.leader = together[0]
        else:
            self._counts.merged_calls += len(together)
            self._counts.merged_requests += 1
        self._left(shared)
        shared.start(self._below).add_done_callback(lambda _: self._landed(shared))

    def _left(self, call: Call) -> None:
        self._under_way.add(call)
        self._unsent = call
        call.on_sent = lambda: self._sent(call)

    def _sent(self, call: Call) -> None:
        if self._unsent is call:
            self._unsent = None
            self._depart()

    def _landed(self, call: Call) -> None:
        self._under_way.discard(call)
        if self._unsent is call:
            self._unsent = None
        self._depart(landed=True)

    def _set_timer(self) -> None:
        """One timer; one that rings too early does no harm, and spares setting it for each who comes."""
        if self._timer is not None and not self._gathered:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and self._gathered and self._unsent is None:
            until = next(iter(self._gathered.values()))
            self._timer = asyncio.get_running_loop().call_at(until, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._depart()
