"""Numbers that say how sure they are."""

from __future__ import annotations

from dataclasses import dataclass


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

    def at(self, q: float) -> Percentile:
        """The percentile ``q``, such as 0.99; KeyError if it was not computed."""
        for percentile in self.percentiles:
            if abs(percentile.q - q) < 1e-9:
                return percentile
        raise KeyError(q)
