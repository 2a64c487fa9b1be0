"""Early end of a run that surely breaks an objective, by a sequential test.

It looks at the share of bad requests once a second, and may look as often as it likes: the likelihood of all larger
shares together, against the share allowed, is a martingale if no more than that share is bad, so it ever reaches
1 / ERROR with a probability of ERROR at most (Robbins 1970; Ville's inequality). Where bad requests come in clusters,
a cluster counts as one: the evidence is divided by the dispersion of the counts of seconds, and by as much again as
these seconds depend on each other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np

from aembed.bench.load.drivers import Driver
from aembed.bench.model.objectives import Goal
from aembed.bench.rows.columns import OK
from aembed.bench.stats.sample import cautious_size
from aembed.bench.stats.special import beta_cdf

ERROR_PROBABILITY = 0.01
"""Probability, over a whole run, to stop one that keeps all of its objectives."""
FIRST_DECISION_S = 30
"""Seconds before the first decision: fewer may be one slow stretch of a busy server, and show no dependence at all."""
PERIOD_S = 1.0


def evidence(bad: float, count: float, limit: float) -> float:
    """The logarithm of the likelihood of shares above ``limit``, all alike, against ``limit`` itself."""
    if limit <= 0:
        return math.inf if bad > 0 else 0.0
    if count <= 0:
        return 0.0
    above = 1 - beta_cdf(limit, bad + 1, count - bad + 1)
    if above <= 0:
        return -math.inf
    mixed = math.lgamma(bad + 1) + math.lgamma(count - bad + 1) - math.lgamma(count + 2)
    return mixed + math.log(above / (1 - limit)) - bad * math.log(limit) - (count - bad) * math.log1p(-limit)


def most_evidence(bad: float, count: float, limit: float) -> float:
    """An upper bound of the evidence: the largest likelihood of any one share above ``limit``."""
    if bad <= limit * count:
        return 0.0
    if limit <= 0:
        return math.inf
    good = count - bad
    return bad * math.log(bad / count / limit) + (good * math.log(good / count / (1 - limit)) if good else 0.0)


def dispersion(counts: Sequence[tuple[int, int]]) -> float:
    """The variance of the bad of each second, relative to that of independent requests; 1 at least."""
    table = np.array(counts, dtype=np.float64)
    bad, each = table[:, 0], table[:, 1]
    share = bad.sum() / max(1.0, each.sum())
    if not 0 < share < 1 or len(table) < 2:
        return 1.0
    squares = float(np.sum((bad - share * each) ** 2)) * len(table) / (len(table) - 1)
    return max(1.0, float(squares / (share * (1 - share) * each.sum())))


class SequentialTest:
    """One goal, and its state in each second of the run."""

    def __init__(self, goal: Goal, error: float) -> None:
        self.goal = goal
        self._limit = goal.limit if goal.q is None else 1 - goal.q
        self._enough = math.log(1 / error)
        self._counts: list[tuple[int, int]] = []

    def add(self, bad: int, count: int) -> None:
        """One more second."""
        self._counts.append((bad, count))

    def is_broken(self, overdue: int = 0) -> bool:
        """The goal is surely broken; ``overdue`` requests are unanswered, and too late already."""
        if len(self._counts) < FIRST_DECISION_S:
            return False
        counts = [*self._counts, (overdue, overdue)] if overdue else self._counts
        bad, count = (float(sum(column)) for column in zip(*counts, strict=True))
        if most_evidence(bad, count, self._limit) < self._enough:  # nearly always, and soon found
            return False
        each = [bad for bad, _ in self._counts]
        cluster = dispersion(self._counts) * len(each) / cautious_size([each])
        return evidence(bad / cluster, count / cluster, self._limit) >= self._enough


class Abort:
    """Watches a run, and sets ``broken`` as soon as one of its goals surely is."""

    def __init__(self, driver: Driver, goals: Sequence[Goal]) -> None:
        tested = [goal for goal in goals if goal.q is not None or goal.metric == "errors"]
        self.broken = asyncio.Event()
        self.goal: Goal | None = None
        self._flight = driver.flight
        self._tests = [SequentialTest(goal, ERROR_PROBABILITY / len(tested)) for goal in tested]
        self._seen = 0
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PERIOD_S, self._look)

    def _look(self) -> None:
        record = self._flight.record
        rows = record.latest(len(record) - self._seen)
        self._seen = len(record)
        response = rows.response
        for test in self._tests:
            late = math.inf if test.goal.q is None else test.goal.limit
            bad = rows.outcome != OK if test.goal.q is None else response > late
            test.add(int(bad.sum()), len(rows))
            if test.is_broken(self._flight.overdue(late)):
                self.goal = test.goal
                self.broken.set()
                return
        self._timer = self._loop.call_later(PERIOD_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()
