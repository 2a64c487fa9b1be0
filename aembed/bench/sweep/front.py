"""The Pareto front of cells whose figures have intervals. Pure.

A cell beats another if it is worse in neither direction by more than a margin, and better in one by more than that. As
exact figures go, "beats" has no cycles: a step that gains in one direction loses less than it in the other. With
intervals a cell *surely* beats another if its worst ends beat the best ends of the other, and *may* beat it if its best
ends beat the other's worst. Only a cell that is surely beaten leaves the front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import ObjectiveState


@dataclass(frozen=True, slots=True)
class ValueRange:
    """A value between the ends of its interval."""

    low: float
    value: float
    high: float

    @classmethod
    def of(cls, found: Estimate | Percentile) -> ValueRange:
        """A bound that is missing, or was not measured, is 0 or infinity."""
        value = math.inf if found.value is None else found.value
        return cls(0.0 if found.low is None else found.low, value, math.inf if found.high is None else found.high)


@dataclass(frozen=True, slots=True)
class Point:
    """Throughput and latency of a cell. ``objective`` says whether the latency meets its limit."""

    rate: ValueRange
    latency: ValueRange
    objective: ObjectiveState | None = None


def beats(rate: float, latency: float, than_rate: float, than_latency: float, margin: float) -> bool:
    """The first pair is worse in nothing that counts, and better in something that does."""
    much = 1 + margin
    if rate * much < than_rate or latency > than_latency * much:
        return False
    return rate > than_rate * much or latency * much < than_latency


def surely_beats(one: Point, other: Point, margin: float) -> bool:
    """True for all figures within the intervals."""
    return beats(one.rate.low, one.latency.high, other.rate.high, other.latency.low, margin)


def may_beat(one: Point, other: Point, margin: float) -> bool:
    """True for some figures within the intervals."""
    return beats(one.rate.high, one.latency.low, other.rate.low, other.latency.high, margin)


def beaten(points: Sequence[Point], margin: float) -> list[int | None]:
    """The fastest point that surely beats each point; ``None``: it is on the front."""
    found: list[int | None] = []
    for point in points:
        better = [i for i, other in enumerate(points) if other is not point and surely_beats(other, point, margin)]
        found.append(max(better, key=lambda i: points[i].rate.value, default=None))
    return found


def rivals(points: Sequence[Point], margin: float) -> dict[int, list[int]]:
    """Points of the front that others of the front may beat, and those others."""
    front = [i for i, by in enumerate(beaten(points, margin)) if by is None]
    found = {i: [j for j in front if j != i and may_beat(points[j], points[i], margin)] for i in front}
    return {i: others for i, others in found.items() if others}


def unsettled(points: Sequence[Point], margin: float) -> set[int]:
    """Points that need more blocks: they or their rivals may leave the front, or one of them may become the best."""
    open_ones = rivals(points, margin)
    found = {*open_ones, *(rival for others in open_ones.values() for rival in others)}
    chosen = best(points, margin)
    for i, by in enumerate(beaten(points, margin)):
        reaches = chosen is None or points[i].rate.high > points[chosen].rate.value
        if by is None and points[i].objective == "inconclusive" and reaches:
            found.add(i)
    return found


def best(points: Sequence[Point], margin: float) -> int | None:
    """The highest throughput that surely meets the objective: of the front, if that has one."""
    kept = [i for i, point in enumerate(points) if point.objective == "kept"]
    leaders = beaten(points, margin)
    return max([i for i in kept if leaders[i] is None] or kept, key=lambda i: points[i].rate.value, default=None)
