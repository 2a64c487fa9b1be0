"""Early end of a run that surely breaks an objective, by a group-sequential test.

It looks at the share of bad requests a few times, after a minute first and then whenever the run has become half as
long again. Each look has an equal part of the error (Bonferroni), so that all together stop a run that keeps its
objectives with a probability of ERROR_PROBABILITY at most. Requests that queue behind each other are slow together: how
much a share says is seen in how parts of the run differ, each longer than such a stretch should last. A minute
is too short to distinguish stretches of many seconds from the rule, and the error is larger then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from aembed.bench.load.drivers import Driver
from aembed.bench.load.in_flight import InFlight
from aembed.bench.model.objectives import Goal
from aembed.bench.rows.columns import OK
from aembed.bench.stats.shares import ShareSample

ERROR_PROBABILITY = 0.01
"""Probability, over a whole run, to stop one that keeps all of its objectives."""
FIRST_LOOK_S = 60
"""Seconds before the first decision: fewer may be one slow stretch of a busy server."""
TIMES_AS_LONG = 1.5
"""The length of the run at each look, relative to that at the look before."""
LOOKS = 12
"""The last is after 86 minutes."""
PARTS = 20
"""Equal parts of the run so far, which are compared with each other."""
PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class BadCounts:
    """Requests of a run so far whose fate is known, and the bad among them, for each limit."""

    known: tuple[int, ...]
    bad: tuple[int, ...]


class BadCounter:
    """Counts the requests of one process. One without an answer is bad from the moment that it is too late."""

    def __init__(self, flight: InFlight, limits_s: Sequence[float | None]) -> None:
        self._flight = flight
        self._limits_s = limits_s
        self._answers = 0
        self._bad = [0] * len(limits_s)

    def read(self) -> BadCounts:
        """All until now; it looks only at those since the last call."""
        record = self._flight.record
        rows = record.latest(len(record) - self._answers)
        self._answers = len(record)
        response = rows.response
        for i, late in enumerate(self._limits_s):
            self._bad[i] += int((rows.outcome != OK).sum() if late is None else (response > late).sum())
        overdue = [0 if late is None else self._flight.overdue(late) for late in self._limits_s]
        bad = tuple(map(sum, zip(self._bad, overdue, strict=True)))
        return BadCounts(tuple(self._answers + late for late in overdue), bad)


def tested(goals: Sequence[Goal]) -> list[Goal]:
    """Those that the share of bad requests decides."""
    return [goal for goal in goals if goal.q is not None or goal.metric == "errors"]


def limits_s(goals: Sequence[Goal]) -> list[float | None]:
    """Seconds after which an answer is bad, for each tested goal; ``None`` where only errors are."""
    return [None if goal.q is None else goal.limit for goal in tested(goals)]


class SequentialTest:
    """One goal, and its state in each second of the run."""

    def __init__(self, goal: Goal, error: float) -> None:
        self._limit = goal.limit if goal.q is None else 1 - goal.q
        self._tail = error / LOOKS
        self._next_look_s = float(FIRST_LOOK_S)
        self._looks = 0
        self._counts: list[tuple[int, int]] = []

    def add(self, bad: int, count: int) -> None:
        """One more second."""
        self._counts.append((bad, count))

    def is_broken(self) -> bool:
        """The goal is surely broken."""
        if len(self._counts) < self._next_look_s or self._looks == LOOKS:
            return False
        self._looks += 1
        self._next_look_s *= TIMES_AS_LONG
        parts = np.array_split(np.array(self._counts), PARTS)
        bad, each = np.array([part.sum(axis=0) for part in parts]).T
        return ShareSample.of_series(bad, each, self._tail).is_within(self._limit, self._tail) is False


class SequentialTests:
    """Decides for the whole run, once a second; ``broken`` is set as soon as one of its goals surely is."""

    def __init__(self, goals: Sequence[Goal]) -> None:
        self.broken = asyncio.Event()
        self.goal: Goal | None = None
        self._goals = tested(goals)
        self._tests = [SequentialTest(goal, ERROR_PROBABILITY / len(self._goals)) for goal in self._goals]
        self._before = BadCounts((0,) * len(self._tests), (0,) * len(self._tests))

    def add(self, now: BadCounts) -> None:
        """The counts after one more second."""
        before, self._before = self._before, now
        for i, test in enumerate(self._tests):
            test.add(now.bad[i] - before.bad[i], now.known[i] - before.known[i])
            if test.is_broken() and self.goal is None:
                self.goal = self._goals[i]
                self.broken.set()


class Abort:
    """Watches a run of this process."""

    def __init__(self, driver: Driver, goals: Sequence[Goal]) -> None:
        self.tests = SequentialTests(goals)
        self._counter = BadCounter(driver.flight, limits_s(goals))
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PERIOD_S, self._look)

    def _look(self) -> None:
        self.tests.add(self._counter.read())
        self._timer = self._loop.call_later(PERIOD_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()


class AbortOfProcesses:
    """Watches a run of several, by the counts that each sends once a second."""

    def __init__(self, goals: Sequence[Goal]) -> None:
        self.tests = SequentialTests(goals)
        self._seconds = 0

    def add(self, counts: Sequence[BadCounts | None], seconds: int) -> None:
        """The last counts of each, after as many ``seconds`` as the slowest has sent."""
        sent = [each for each in counts if each is not None]
        if seconds <= self._seconds or len(sent) < len(counts):
            return
        self._seconds = seconds
        known, bad = (tuple(map(sum, zip(*column, strict=True))) for column in zip(*map(astuple, sent), strict=True))
        self.tests.add(BadCounts(known, bad))
