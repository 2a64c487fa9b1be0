"""Load, in the loop the subject lives in: open (requests come when they come) or closed (users wait for answers).

Both write a :class:`Record` and know nothing of statistics. An open loop never waits for an answer before it starts
the next request, so a stall is felt by all who come meanwhile, as in production.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import numpy as np

from aembed.bench.load.in_flight import InFlight, RequestInFlight
from aembed.bench.load.pacer import Pacer, clock_of, pacer_for
from aembed.bench.rows.columns import Ints
from aembed.bench.settings import RunSettings
from aembed.bench.subject import Subject, SubjectCall


class Driver(Protocol):
    """Decides when requests start. One run each."""

    flight: InFlight
    pacer: Pacer | None
    finished: asyncio.Event
    """All of the schedule is answered."""
    peak_backlog: int
    thought: int
    """Nanoseconds that users thought until the end of the schedule."""
    waited: int

    def begin(self, origin: int) -> None: ...

    def end(self) -> None:
        """End the schedule now; requests that are due still start."""

    def close(self) -> None:
        """Start nothing more."""

    def due(self) -> int:
        """Requests that should have started by now."""
        ...

    def never_started(self) -> Ints:
        """The intended times of those that were due and found no place."""
        ...


class OpenLoop:
    """Requests at absolute times."""

    pacer: Pacer | None
    thought = waited = 0

    def __init__(self, subject: Subject, times: Ints, settings: RunSettings) -> None:
        loop = asyncio.get_running_loop()
        clock, timeout, expected = clock_of(loop), settings.timeout, len(times)
        self.flight = InFlight(
            subject, clock=clock, timeout=timeout, settled=self._fill, expected=expected, why=settings.why
        )
        self.finished = asyncio.Event()
        self.peak_backlog = 0
        self.pacer = self._pacer = pacer_for(loop)
        self._times = times
        self._places = settings.max_in_flight
        self._due = self._started = 0
        self._end = len(times)

    def begin(self, origin: int) -> None:
        self._times += origin
        self._schedule = self._times.data
        self._pacer.start(self._schedule, self._came)

    def _came(self, due: int) -> None:
        self._due = due
        self._fill()

    def _fill(self, _ended: RequestInFlight | None = None, _done: int = 0) -> None:
        """Start the requests that are due, up to the places there are."""
        flight, schedule = self.flight, self._schedule
        while self._started < self._due and len(flight) < self._places:
            self._started += 1
            flight.start(schedule[self._started - 1])
        self.peak_backlog = max(self.peak_backlog, self._due - self._started)
        if self._started == self._end and not flight:
            self.finished.set()

    def end(self) -> None:
        self._pacer.stop()
        self._due = self._end = self.due()
        self._fill()

    def close(self) -> None:
        self._pacer.stop()
        self._places = 0

    def due(self) -> int:
        return bisect_right(self._schedule, self.flight.clock())

    def never_started(self) -> Ints:
        return np.asarray(self._schedule[self._started : self._end], dtype=np.int64)


class ClosedLoop:
    """``users`` that each think, ask, and wait for the answer. They start spread over one time of thinking."""

    pacer: Pacer | None = None
    peak_backlog = 0

    def __init__(
        self,
        subject: Subject,
        users: Mapping[int, SubjectCall],
        think: Callable[[random.Random], float],
        *,
        seconds: float,
        seed: int,
        settings: RunSettings,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.flight = InFlight(
            subject, clock=clock_of(loop), timeout=settings.timeout, settled=self._answered, why=settings.why
        )
        self.finished = asyncio.Event()
        self.thought = self.waited = 0
        self._loop = loop
        self._users: dict[SubjectCall, random.Random] = {
            partial(call): random.Random(f"{seed}/{number}")  # noqa: S311 - thinking is no secret
            for number, call in users.items()
        }
        """The call of each user, a different object for each, and the dice of its thinking: the same in any process."""
        self._length = round(seconds * 1e9)
        self._draw = think
        self._thinking: dict[asyncio.Handle, int] = {}
        """Timers of users who think, and since when."""
        self._over = False
        self._asked = 0

    def begin(self, origin: int) -> None:
        self._end = origin + self._length
        for call in self._users:
            self._think(origin, call)

    def _answered(self, request: RequestInFlight, done: int) -> None:
        self.waited += min(done, self._end) - request.intended
        if self._over:
            self._look_for_end()
        else:
            self._think(done, request.call)

    def _think(self, since: int, call: SubjectCall) -> None:
        """One user, from the last answer on."""
        self._wait(since, since + max(0, round(self._draw(self._users[call]) * 1e9)), call)

    def _wait(self, since: int, intended: int, call: SubjectCall) -> None:
        def ask() -> None:
            if intended >= self._end:
                return
            del self._thinking[timer]
            if self.flight.clock() < intended:  # uvloop's timers are early
                self._wait(since, intended, call)
            else:
                self._asked += 1
                self.thought += intended - since
                self.flight.start(intended, call)

        rest = intended - self.flight.clock()
        timer = self._loop.call_later(rest / 1e9, ask) if rest > 0 else self._loop.call_soon(ask)
        self._thinking[timer] = since

    def end(self) -> None:
        self._end = min(self.flight.clock(), self._end)
        self._over = True
        for timer, since in self._thinking.items():
            timer.cancel()
            self.thought += max(0, self._end - since)
        self._thinking.clear()
        self._look_for_end()

    def close(self) -> None:
        self.end()

    def _look_for_end(self) -> None:
        if not self.flight:
            self.finished.set()

    def due(self) -> int:
        return self._asked

    def never_started(self) -> Ints:
        return np.empty(0, dtype=np.int64)
