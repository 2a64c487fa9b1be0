"""Concurrent calls with few texts share their requests.

A call that finds nothing under way goes at once, as it is. While something is under way the others gather, and leave
together when it lands, when there are enough of them, or when the first has waited for the window. At most one batch at
a time waits for its admission, so that what the account cannot take yet goes on gathering.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from aembed._engine.call import Job, Run
from aembed._events import Counts
from aembed._settings.policies import MergePolicy
from aembed._sharing.shared_call import Flight, Waiter
from aembed._types import Kind, ModelSpec


class Merge:
    """One embedder's gathering: documents by themselves, and queries by themselves."""

    def __init__(self, policy: MergePolicy, run: Run, *, spec: Callable[[], ModelSpec], counts: Counts) -> None:
        self._policy = policy
        self._run = run
        self._spec = spec
        self._lanes: dict[Kind, _Lane] = {
            kind: _Lane(kind, policy.window, self._most, run, counts) for kind in ("document", "query")
        }

    async def run(self, job: Job) -> None:
        """Bring every text to its end, with the requests of others where that is of use."""
        if len(job.texts) < self._most():
            await self._lanes[job.kind].run(job)
        else:
            await self._run(job)

    async def aclose(self) -> None:
        """Wait for the end of what nobody waits for any more."""
        for lane in self._lanes.values():
            await lane.aclose()

    def _most(self) -> int:
        """Texts in a batch."""
        return min(self._policy.max_texts, self._spec().max_batch_texts or self._policy.max_texts)


class _Lane:
    """Calls of one kind: those that gather, in the order they came, and the batches that have left."""

    def __init__(self, kind: Kind, window: float, most: Callable[[], int], run: Run, counts: Counts) -> None:
        self._kind: Kind = kind
        self._window = window
        self._most = most
        self._run = run
        self._counts = counts
        self._gathered: OrderedDict[Waiter, float] = OrderedDict()
        """Who waits for company, and until when."""
        self._texts = 0
        """Of those who gather."""
        self._under_way: set[Job] = set()
        """Batches, and a call that found nothing under way."""
        self._unsent: Job | None = None
        """The one of these that waits for its admission."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, job: Job) -> None:
        if self._under_way:
            await self._run_together(job)
            return
        self._left(job)
        try:
            await self._run(job)
        finally:
            self._landed(job)

    async def aclose(self) -> None:
        flights = [job for job in self._under_way if isinstance(job, Flight)]
        ending = [flight.task for flight in flights if flight.release(unless=self) and flight.task]
        if ending:
            await asyncio.wait(ending)

    async def _run_together(self, job: Job) -> None:
        waiter = Waiter(job, self)
        waiter.missing = len(job.texts)
        self._gathered[waiter] = asyncio.get_running_loop().time() + self._window
        self._texts += len(job.texts)
        self._depart()
        try:
            await waiter.finish()
            if left := waiter.take_back():
                await self._try_alone(waiter, left)
        finally:
            if self._gathered.pop(waiter, None) is None:
                await waiter.leave()
            else:
                self._texts -= len(job.texts)
                self._set_timer()

    async def _try_alone(self, waiter: Waiter, indices: Sequence[int]) -> None:
        """A batch that was refused as a whole, or has crashed, says nothing about these texts of it."""
        flight = Flight([waiter.job.texts[index] for index in indices], self._kind, self)
        flight.join(waiter, enumerate(indices))
        await self._run(flight)

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
        together: list[Waiter] = []
        room = self._most()
        while self._gathered and (not together or len(next(iter(self._gathered)).job.texts) <= room):
            waiter, _ = self._gathered.popitem(last=False)
            room -= len(waiter.job.texts)
            self._texts -= len(waiter.job.texts)
            together.append(waiter)
        texts = dict.fromkeys(text for waiter in together for text in waiter.job.texts)
        index_of = {text: index for index, text in enumerate(texts)}
        flight = Flight(list(texts), self._kind, self)
        for waiter in together:
            waiter.missing = 0
            flight.join(waiter, [(index_of[text], own) for own, text in enumerate(waiter.job.texts)])
        if len(together) == 1:
            flight.leader = together[0]
        else:
            self._counts.merged_calls += len(together)
            self._counts.merged_requests += 1
        self._left(flight)
        flight.start(self._run).add_done_callback(lambda _: self._landed(flight))

    def _left(self, job: Job) -> None:
        self._under_way.add(job)
        self._unsent = job
        job.on_sent = lambda: self._sent(job)

    def _sent(self, job: Job) -> None:
        if self._unsent is job:
            self._unsent = None
            self._depart()

    def _landed(self, job: Job) -> None:
        self._under_way.discard(job)
        if self._unsent is job:
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
