"""Requests in flight: started, bounded in time, validated off the clock, settled once, recorded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from aembed.bench.load.pacer import NanosecondClock
from aembed.bench.load.record import Record
from aembed.bench.load.traces import Traces
from aembed.bench.marks import TRACE
from aembed.bench.model.under_load import WRONG_RESULT, Failure
from aembed.bench.rows.columns import FAILED, NEVER, OK, TIMED_OUT, UNFINISHED, WRONG, Ints, OutcomeCode
from aembed.bench.subject import Subject, SubjectCall

LONGEST_MESSAGE = 200
CANCEL_GRACE_S = 2.0
"""Seconds that requests which were cancelled get to end, before they are left alone."""


class RequestInFlight:
    """One call of the subject. Settled once: by its end, its timeout, or the end of the run."""

    __slots__ = ("_flight", "_timer", "call", "done", "intended", "settled", "started", "task")

    def __init__(self, flight: InFlight, intended: int, call: SubjectCall) -> None:
        self._flight = flight
        self._timer: asyncio.TimerHandle | None = None
        self.call = call
        self.intended = intended
        self.started = self.done = NEVER
        self.settled = False
        self.task = flight.loop.create_task(self._run())
        self.task.add_done_callback(self._ended)

    async def _run(self) -> str | None:
        flight = self._flight
        self.started = flight.clock()
        if flight.timeout is not None:
            self._timer = flight.loop.call_later(flight.timeout, self._expire)
        result = await self.call()
        self.done = flight.clock()
        return flight.validate(result) if flight.validate else None

    def _ended(self, task: asyncio.Task[str | None]) -> None:
        if task.cancelled():
            self._settle(FAILED, "CancelledError", "the subject cancelled itself")
        elif (error := task.exception()) is not None:
            kind = FAILED if self.done == NEVER else WRONG
            self._settle(kind, type(error).__name__, str(error))
        elif (problem := task.result()) is not None:
            self._settle(WRONG, WRONG_RESULT, problem)
        else:
            self._settle(OK)

    def _expire(self) -> None:
        if self.done == NEVER:
            self._settle(TIMED_OUT, "timeout", f"no answer within {self._flight.timeout:g} s")
            self.task.cancel()

    def give_up(self) -> None:
        """The run is over."""
        self._settle(UNFINISHED, "unfinished", "no answer by the end of the run")
        self.task.cancel()

    def _settle(self, outcome: OutcomeCode, kind: str = "", message: str = "") -> None:
        if self.settled:
            return
        self.settled = True
        if self._timer is not None:
            self._timer.cancel()
        done = self.done if self.done != NEVER else self._flight.clock()
        self._flight.record.add(self.intended, self.started, NEVER if outcome == UNFINISHED else done, outcome)
        self._flight.settle(self, done, kind, message)


class TracedRequest(RequestInFlight):
    """A request whose parts are noted, until its task has ended: the part under way at its timeout is among them."""

    __slots__ = ("_outcome", "_settled_at", "_trace", "_traces")

    def __init__(self, flight: InFlight, intended: int, call: SubjectCall) -> None:
        assert flight.traces is not None, "made only for a flight that keeps notes"
        self._traces = flight.traces
        self._trace = flight.traces.begin()
        self._settled_at = NEVER
        super().__init__(flight, intended, call)

    async def _run(self) -> str | None:
        TRACE.set(self._trace)  # in the context of this task, and of those it starts
        return await super()._run()

    def _settle(self, outcome: OutcomeCode, kind: str = "", message: str = "") -> None:
        if not self.settled:
            self._outcome: OutcomeCode = outcome
            self._settled_at = self.done if self.done != NEVER else self._flight.clock()
        super()._settle(outcome, kind, message)

    def _ended(self, task: asyncio.Task[str | None]) -> None:
        super()._ended(task)
        done = self._settled_at
        started = done if self.started == NEVER else self.started
        self._trace.task = id(task)
        self._traces.add(self._trace, self.intended, started, done, self._outcome)


class InFlight:
    """All requests of a run."""

    def __init__(
        self,
        subject: Subject,
        *,
        clock: NanosecondClock,
        timeout: float | None,
        settled: Callable[[RequestInFlight, int], None],
        expected: int | None = None,
        why: bool = False,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = clock
        self.call = subject.call
        self.validate = subject.validate
        self.timeout = timeout
        self.traces = Traces(clock) if why else None
        """Notes about the parts of requests, if they are wanted."""
        self.record = Record() if expected is None else Record(expected)
        self.peak = 0
        """Most in flight at once."""
        self.errors = 0
        self._settled = settled
        self._request = TracedRequest if why else RequestInFlight
        self._live: set[RequestInFlight] = set()
        self._stubborn: set[asyncio.Task[str | None]] = set()
        self._kinds: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._live)

    def start(self, intended: int, call: SubjectCall | None = None) -> None:
        """``call`` is that of one user, instead of the subject's."""
        self._live.add(self._request(self, intended, call or self.call))
        self.peak = max(self.peak, len(self._live))

    def overdue(self, seconds: float) -> int:
        """Requests in flight that were intended more than ``seconds`` ago."""
        latest = self.clock() - round(seconds * 1e9)
        return sum(request.intended < latest for request in self._live)

    def settle(self, request: RequestInFlight, done: int, kind: str, message: str) -> None:
        """Called by the request, once."""
        self._live.discard(request)
        if not request.task.done():
            self._stubborn.add(request.task)
            request.task.add_done_callback(self._stubborn.discard)
        if kind:
            self.errors += 1
            self._kinds[kind] += 1
            self._examples.setdefault(kind, message[:LONGEST_MESSAGE])
        self._settled(request, done)

    def never_start(self, intended: Ints) -> None:
        """Record requests that were due and found no place until the end."""
        for due in intended.tolist():
            self.record.add(due, NEVER, NEVER, UNFINISHED)
        if len(intended):
            self._kinds["unfinished"] += len(intended)
            self._examples.setdefault("unfinished", "never started: max_in_flight others were under way")

    async def land(self) -> int:
        """End all that is still under way; how many did not listen."""
        for request in tuple(self._live):
            request.give_up()
        if self._stubborn:
            await asyncio.wait(tuple(self._stubborn), timeout=CANCEL_GRACE_S)
        return len(self._stubborn)

    def failures(self) -> tuple[Failure, ...]:
        """By kind, the most frequent first."""
        return tuple(Failure(kind=kind, count=n, example=self._examples[kind]) for kind, n in self._kinds.most_common())
