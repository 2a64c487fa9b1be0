"""Numbers that say how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

HALF = 1.96
"""Standard errors on either side of a 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value and its 95 % interval. No interval (both ``None``): too few samples for one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """``value`` is ``None`` where the percentile falls among requests that failed: worse than all that was measured.

    ``low`` and ``high`` bound it with 95 % confidence. Both ``None``: too few samples; ``high`` alone ``None`` with a
    ``low``: the interval reaches into the failed.
    """

    q: float
    """Between 0 and 1."""
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts between log-linear edges, for charts: ``counts[i]`` lie in ``[edges[i], edges[i + 1])``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Times in seconds. The censored (failed, timed out, unfinished) count as longer than any that was measured."""

    count: int
    """The censored included."""
    censored: int
    mean: float | None
    """``None`` if any is censored: there is no honest mean then."""
    percentiles: tuple[Percentile, ...]
    """p50, p90, p95, p99, p99.9."""
    max: float | None
    """The longest time that was measured."""
    histogram: Histogram
    independent: int | None = None
    """Number of independent requests that say as much as these do, the smallest over the percentiles."""

    def at(self, q: float) -> Percentile:
        """The percentile ``q``, such as 0.99: exact if it is one of ``percentiles``.

        Any other is taken from the histogram and up to 12 % off; its interval allows for that. Raises ValueError unless
        0 < q < 1.
        """
        for percentile in self.percentiles:
            if abs(percentile.q - q) < 1e-9:
                return percentile
        if not 0 < q < 1:
            raise ValueError(f"q={q!r} is not a percentile: give a share between 0 and 1, such as 0.95")
        return self._from_histogram(q)

    def _from_histogram(self, q: float) -> Percentile:
        value = self._interpolated(max(1, math.ceil(q * self.count - 1e-9)))
        n = self.independent
        if n is None or not self.count:
            return Percentile(q=q, value=value)
        half = HALF * math.sqrt(n * q * (1 - q))
        first, last = math.floor(n * q - half), math.ceil(n * q + half) + 1
        if first < 1 or last > n:
            return Percentile(q=q, value=value)
        low = self._bin(max(1, first * self.count // n))
        high = self._bin(min(self.count, -(-last * self.count // n)))
        return Percentile(
            q=q, value=value, low=self.max if low is None else low[0], high=None if high is None else high[1]
        )

    def _bin(self, rank: int) -> tuple[float, float] | None:
        """The edges between which the order statistic lies, from 1; ``None`` among the censored."""
        for i, total in enumerate(accumulate(self.histogram.counts)):
            if rank <= total:
                return self.histogram.edges[i], self.histogram.edges[i + 1]
        return None

    def _interpolated(self, rank: int) -> float | None:
        before = 0
        for i, count in enumerate(self.histogram.counts):
            if rank <= before + count:
                low, high = self.histogram.edges[i], self.histogram.edges[i + 1]
                value = low + (high - low) * (rank - before - 0.5) / count
                return value if self.max is None else min(value, self.max)
            before += count
        return None
