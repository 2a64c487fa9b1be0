"""Service time by the size of a request: a line through recent answers, for comparison with others. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

HALF_TICK_S = 0.0005
"""Half the resolution of uvloop's clock. Added to every time, so that one of no tick is not infinitely short."""
DECAY_FACTOR = 0.98
"""Factor on all weights at each answer: the line runs through the last fifty or so, several of each size."""
ANSWERS_PER_OUTLIER = 8
"""One answer of so many, the slowest, is left out: a pause of the server is not a queue. The mean of the others stays,
since Little's law is about means."""
LEVEL_VARIANCE = 1e-6
"""Relative variance of the sizes below which they are all alike, and no slope can be seen."""


Sample: TypeAlias = tuple[float, float]
"""Seconds, and characters, of a request."""


class TimeRatio(NamedTuple):
    """``factor``: times as long as expected, in sum; ``error``: its standard error."""

    factor: float
    error: float


class ServiceTime(NamedTuple):
    """``fixed`` seconds for a request, and more for each character."""

    fixed: float
    per_character: float

    def scaled(self, factor: float) -> ServiceTime:
        return ServiceTime(self.fixed * factor, self.per_character * factor)

    def between(self, other: ServiceTime) -> ServiceTime:
        return ServiceTime((self.fixed + other.fixed) / 2, (self.per_character + other.per_character) / 2)

    def compare(self, samples: Sequence[Sample]) -> TimeRatio:
        """Sums are compared, so that a mixture of sizes counts as Little's law counts it: each by its time."""
        ratios: list[tuple[float, float]] = []
        for elapsed, size in samples:
            expected = self.fixed + size * self.per_character
            ratios.append(((elapsed + HALF_TICK_S) / expected, expected))
        ratios.sort()
        ratios = ratios[: len(ratios) - len(ratios) // ANSWERS_PER_OUTLIER]
        total = sum(expected for _, expected in ratios)
        factor = sum(ratio * expected for ratio, expected in ratios) / total
        error = math.sqrt(sum(((ratio - factor) * expected) ** 2 for ratio, expected in ratios)) / total
        return TimeRatio(factor, error)


class RecentLine:
    """Least squares, in which older answers weigh ever less."""

    def __init__(self) -> None:
        self._weight = self._size = self._time = self._size_squared = self._size_time = 0.0

    def add(self, samples: Sequence[Sample]) -> None:
        """Those of one call weigh the same."""
        kept = DECAY_FACTOR ** len(samples)
        self._weight = self._weight * kept + len(samples)
        self._size = self._size * kept + sum(size for _, size in samples)
        self._time = self._time * kept + sum(elapsed + HALF_TICK_S for elapsed, _ in samples)
        self._size_squared = self._size_squared * kept + sum(size * size for _, size in samples)
        self._size_time = self._size_time * kept + sum(size * (elapsed + HALF_TICK_S) for elapsed, size in samples)

    def line(self) -> ServiceTime:
        """After one answer at least. Neither part is negative, and the fixed one is never zero."""
        size, time = self._size / self._weight, self._time / self._weight
        variance = self._size_squared / self._weight - size * size
        if variance <= LEVEL_VARIANCE * size * size:
            return ServiceTime(time, 0.0)
        slope = (self._size_time / self._weight - size * time) / variance
        slope = min(max(slope, 0.0), time / size)
        return ServiceTime(max(time - slope * size, HALF_TICK_S), slope)
