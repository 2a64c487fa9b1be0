"""Soaks in bounded memory: rows that are done become counts, by window and by time.

Times are counted in bins of which 64 make an octave. A time that comes back is the middle of its bin, less than 0.8 %
off; the longest is exact. What an interval must know of dependence is seen in how the windows differ: requests of one
may depend on each other as they like, windows are taken to be independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aembed.bench.load.record import MOST
from aembed.bench.load.summary import (
    PER_OCTAVE,
    SHORTEST,
    Counts,
    Tally,
    Three,
    edges_of,
    histogram_of,
    octave_bins,
    window_of,
    windows_of,
)
from aembed.bench.model.estimates import Distribution, Percentile
from aembed.bench.model.under_load import Window
from aembed.bench.rows.columns import Floats, Ints, Rows
from aembed.bench.settings import WINDOWS, Settings
from aembed.bench.stats.sample import QUANTILES, TAIL, rank_of, ranks_around
from aembed.bench.stats.shares import ShareSample

FINE = 64
"""Bins in an octave, of equal width."""
FIRST = math.frexp(SHORTEST)[1] * FINE
BINS = 13 * FINE - FIRST
"""Up to 2^12 s, more than an hour; longer times are counted in the last."""
MIDDLES = np.ldexp(0.5 + (np.arange(BINS) % FINE + 0.5) / (2 * FINE), (FIRST + np.arange(BINS)) // FINE)
AFTER = 20
"""Windows after the schedule, while answers are waited for."""
ROUNDED = f"of a run of more than {MOST:,} requests counts are kept: percentiles are up to 0.8 % off"


class Times:
    """Counts of all requests by window and bin; the last bin holds the failed ones."""

    def __init__(self, windows: int) -> None:
        self.counts = np.zeros((windows, BINS + 1), dtype=np.int32)  # pages that are never touched take no memory
        self._sum = self._longest = 0.0

    def add(self, window: Ints, times: Floats) -> None:
        finite = np.isfinite(times)
        bins = np.minimum(octave_bins(np.where(finite, times, 1.0), FINE) - FIRST, BINS - 1)
        np.add.at(self.counts, (window, np.where(finite, bins, BINS)), 1)
        self._sum += float(times[finite].sum())
        self._longest = max(self._longest, float(times[finite].max(initial=0.0)))

    def distribution(self) -> Distribution:
        """The distribution of the times, but for the rounding."""
        counts = self.counts.sum(axis=0)
        count, censored = int(counts.sum()), int(counts[BINS])
        coarse = FINE // PER_OCTAVE
        return Distribution(
            count=count,
            censored=censored,
            mean=self._sum / count if count and not censored else None,
            percentiles=tuple(self._percentile(q, np.cumsum(counts)) for q in QUANTILES),
            max=self._longest if count > censored else None,
            histogram=histogram_of(FIRST // coarse, counts[:BINS].reshape(-1, coarse).sum(axis=1)),
        )

    def slower(self, seconds: float) -> ShareSample:
        """Requests that took longer than ``seconds``, the failed among them; all of a bin are where its middle is."""
        first = BINS if math.isinf(seconds) else int(np.searchsorted(MIDDLES, seconds, side="right"))
        bad = self.counts[:, first:].sum(axis=1)
        return ShareSample(int(bad.sum()), int(self.counts.sum()), self._size_of(bad))

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

    def _percentile(self, q: float, cumulated: Ints, tail: float = TAIL) -> Percentile:
        n = int(cumulated[-1])
        value = self._at(rank_of(q, n), cumulated)
        ranks = ranks_around(q, n, n if value is None else self._size(value), tail) if n else None
        if ranks is None:
            return Percentile(q=q, value=value)
        low, high = (self._at(rank, cumulated) for rank in ranks)
        return Percentile(q=q, value=value, low=self._longest if low is None else low, high=high)

    def _at(self, rank: int, cumulated: Ints) -> float | None:
        """The order statistic, from 1; ``None``: it failed, or there is none."""
        place = int(np.searchsorted(cumulated, rank))
        return min(float(MIDDLES[place]), self._longest) if place < BINS else None

    def _size(self, value: float) -> int:
        """Number of independent requests with as much information on the share of those up to ``value``."""
        return self._size_of(self.counts[:, : int(np.searchsorted(MIDDLES, value)) + 1].sum(axis=1))

    def _size_of(self, below: Ints) -> int:
        """The same for the share of those that each window has in ``below``."""
        each = self.counts.sum(axis=1)
        n, windows = int(each.sum()), int(np.count_nonzero(each))
        share = below.sum() / n
        variance = float(np.sum((below - share * each) ** 2)) / n**2 * windows / max(1, windows - 1)
        return n if variance <= 0 else max(1, min(n, int(share * (1 - share) / variance)))


class WindowedHistogram:
    """Rows as counts, in windows of ``width`` seconds; requests long after the ``seconds`` are in the last."""

    def __init__(self, seconds: float, width: float) -> None:
        self._edges = edges_of(seconds, width, seconds + AFTER * width)
        self._counts: Counts | None = None
        self.tally = Tally()
        self.response, self.service, self.lag = (Times(len(self._edges) - 1) for _ in range(3))

    @classmethod
    def over(cls, seconds: float, settings: Settings) -> WindowedHistogram:
        """A run, whose windows are not too many to keep."""
        return cls(seconds, max(settings.width(seconds), seconds / WINDOWS))

    def add(self, rows: Rows) -> None:
        """Count them. They need not be in order."""
        counts, window = Counts.of(rows, self._edges), window_of(rows.intended, self._edges)
        self._counts = counts if self._counts is None else self._counts + counts
        self.tally += Tally.of(rows)
        self.response.add(window, rows.response)
        self.service.add(window[rows.begun], rows.service)
        self.lag.add(window, rows.lag)

    def windows(self, rss: Sequence[tuple[float, int]]) -> tuple[Window, ...]:
        """Those in which anything happened, and all before."""
        if self._counts is None:
            return ()
        found = windows_of(self._counts, self._edges, self.response.three(), rss)
        used = max(i for i, window in enumerate(found) if window.offered or window.started or window.done)
        return found[: used + 1]
