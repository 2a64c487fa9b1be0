"""Objectives and their judgement: kept, broken or inconclusive, decided on an interval and never on a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ObjectiveState: TypeAlias = Literal["kept", "broken", "inconclusive", "not judged"]
"""``not judged``: the run is INVALID, so that its figures say nothing about the subject."""
FLOORS = frozenset({"rate"})
"""Metrics that must be at least their limit; all others must be at most theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One condition of an objective, such as "p95 at most 0.05 s".

    ``metric`` is a percentile of the response time ("p95"), "errors", "rate", "recovery", "time" or "cpu".
    """

    metric: str
    limit: float
    """Seconds for times, a share from 0 to 1 for errors, good answers per second for the rate."""

    @property
    def q(self) -> float | None:
        """The quantile between 0 and 1 of a percentile; ``None`` for any other metric."""
        return float(self.metric[1:]) / 100 if self.metric[0] == "p" else None

    @property
    def is_floor(self) -> bool:
        """The value must be at least the limit."""
        return self.metric in FLOORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One goal, the interval that was measured, and the decision."""

    goal: Goal
    state: ObjectiveState
    value: float | None
    """``None`` for a percentile among failed requests, or a recovery that did not happen."""
    low: float | None = None
    high: float | None = None
    """Ends of the confidence interval of ``value``, each ``None`` where it is unknown or among failed requests."""
    seconds_longer: float | None = None
    """Additional duration that would probably decide an inconclusive goal; ``None``: the value is too close to it."""
    note: str = ""

    @property
    def is_open(self) -> bool:
        """A longer run is needed to decide it."""
        return self.state == "inconclusive"
