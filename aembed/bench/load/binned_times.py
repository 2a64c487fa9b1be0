"""Times as counts, by window and by bin: percentiles with intervals, of a soak or of a log that was written elsewhere.

Requests of one window may depend on each other as they like; windows are taken to be independent. So how the windows
differ shows how many independent requests would say as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aembed.bench.load.summary import PER_OCTAVE, Three, histogram_of, octave_bins
from aembed.bench.model.estimates import Distribution, Histogram, Percentile
from aembed.bench.rows.columns import Floats, Ints
from aembed.bench.stats.sample import QUANTILES, TAIL, rank_of, ranks_around, up_to
from aembed.bench.stats.shares import ShareSample


@dataclass(slots=True)
class BinnedTimes:
    """``counts[window, bin]``, and in a last column the requests that failed."""

    counts: NDArray[Any]
    middles: Floats
    """Seconds, ascending, one for each bin."""
    sum: float = 0.0
    """Sum of the times of good requests."""
    longest: float = 0.0

    def distribution(self, qs: Sequence[float] = QUANTILES) -> Distribution:
        """The distribution of the times, but for the rounding."""
        counts = self.counts.sum(axis=0, dtype=np.int64)
        cumulated = np.cumsum(counts)
        count, censored = int(cumulated[-1]), int(counts[-1])
        found = tuple(self._percentile(q, cumulated) for q in qs)
        return Distribution(
            count=count,
            censored=censored,
            mean=self.sum / count if count and not censored else None,
            percentiles=found,
            max=self.longest if count > censored else None,
            histogram=self._histogram(counts[:-1]),
            independent=min((self._size_at(p.value, count) for p in found), default=count) if count else 0,
        )

    def slower(self, seconds: float) -> ShareSample:
        """Requests that took longer than ``seconds``, the failed among them; all of a bin are where its middle is."""
        bins = len(self.middles)
        first = bins if math.isinf(seconds) else int(np.searchsorted(self.middles, seconds, side="right"))
        bad = self.counts[:, first:].sum(axis=1)
        return ShareSample.of_groups(bad, self.counts.sum(axis=1))

    def percentile(self, q: float, tail: float) -> Percentile:
        """One percentile with its interval."""
        return self._percentile(q, np.cumsum(self.counts.sum(axis=0)), tail)

    def three(self) -> list[Three]:
        """p50, p95 and p99 of each window."""
        found = []
        for cumulated in np.cumsum(self.counts, axis=1, dtype=np.int64):
            p50, p95, p99 = (self._at(rank_of(q, int(cumulated[-1])), cumulated) for q in (0.5, 0.95, 0.99))
            found.append((p50, p95, p99))
        return found

    def _histogram(self, counts: Ints) -> Histogram:
        there = np.flatnonzero(counts)
        if not len(there):
            return Histogram(edges=(), counts=())
        bins = octave_bins(self.middles[there], PER_OCTAVE)
        first = int(bins[0])
        weights = np.bincount(bins - first, weights=counts[there])
        return histogram_of(first, weights.astype(np.int64))

    def _percentile(self, q: float, cumulated: Ints, tail: float = TAIL) -> Percentile:
        n = int(cumulated[-1])
        value = self._at(rank_of(q, n), cumulated)
        all_ranks = [self._ranks(inner, cumulated, tail) for inner in up_to(q)]
        if not all(all_ranks):
            return Percentile(q=q, value=value)
        low, high = (self._at(rank, cumulated) for rank in all_ranks[-1] or ())
        return Percentile(q=q, value=value, low=self.longest if low is None else low, high=high)

    def _ranks(self, q: float, cumulated: Ints, tail: float) -> tuple[int, int] | None:
        """Order statistics around the percentile; ``None``: too few."""
        n = int(cumulated[-1])
        return ranks_around(q, n, self._size_at(self._at(rank_of(q, n), cumulated), n), tail) if n else None

    def _at(self, rank: int, cumulated: Ints) -> float | None:
        """The order statistic, from 1; ``None``: it failed, or there is none."""
        place = int(np.searchsorted(cumulated, rank))
        return min(float(self.middles[place]), self.longest) if place < len(self.middles) else None

    def _size_at(self, value: float | None, n: int) -> int:
        """Number of independent requests with as much information on the share of those up to ``value``."""
        if value is None:
            return n
        return self._size_of(self.counts[:, : int(np.searchsorted(self.middles, value)) + 1].sum(axis=1))

    def _size_of(self, below: Ints) -> int:
        """The same for the share of those that each window has in ``below``."""
        each = self.counts.sum(axis=1)
        n, windows = int(each.sum()), int(np.count_nonzero(each))
        share = below.sum() / n
        variance = float(np.sum((below - share * each) ** 2)) / n**2 * windows / max(1, windows - 1)
        return n if variance <= 0 else max(1, min(n, int(share * (1 - share) / variance)))
