"""Soaks in bounded memory: rows that are done become counts, by window and by time.

Times are counted in bins of which 64 make an octave. A time that comes back is the middle of its bin, less than 0.8 %
off; the longest is exact. What an interval must know of dependence is seen in how the windows differ: requests of one
may depend on each other as they like, windows are taken to be independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aembed.bench.load.binned_times import BinnedTimes
from aembed.bench.load.record import MAX_ROWS
from aembed.bench.load.summary import SHORTEST_S, Counts, Tally, edges_of, octave_bins, window_of, windows_of
from aembed.bench.model.under_load import RunWindow
from aembed.bench.rows.columns import Floats, Ints, Rows
from aembed.bench.settings import MAX_WINDOWS, RunSettings

FINE = 64
"""Bins in an octave, of equal width."""
FIRST = math.frexp(SHORTEST_S)[1] * FINE
BINS = 13 * FINE - FIRST
"""Up to 2^12 s, more than an hour; longer times are counted in the last."""
MIDDLES = np.ldexp(0.5 + (np.arange(BINS) % FINE + 0.5) / (2 * FINE), (FIRST + np.arange(BINS)) // FINE)
AFTER = 20
"""Windows after the schedule, while answers are waited for."""
ROUNDED = f"of a run of more than {MAX_ROWS:,} requests counts are kept: percentiles are up to 0.8 % off"


class WindowedTimes(BinnedTimes):
    """Counts of all requests by window and bin."""

    def __init__(self, windows: int) -> None:
        # pages that are never touched take no memory
        super().__init__(np.zeros((windows, BINS + 1), dtype=np.int32), MIDDLES)

    def add(self, window: Ints, times: Floats) -> None:
        finite = np.isfinite(times)
        bins = np.minimum(octave_bins(np.where(finite, times, 1.0), FINE) - FIRST, BINS - 1)
        np.add.at(self.counts, (window, np.where(finite, bins, BINS)), 1)
        self.sum += float(times[finite].sum())
        self.longest = max(self.longest, float(times[finite].max(initial=0.0)))


class WindowedHistogram:
    """Rows as counts, in windows of ``width`` seconds; requests long after the ``seconds`` are in the last."""

    def __init__(self, seconds: float, width: float) -> None:
        self._edges = edges_of(seconds, width, seconds + AFTER * width)
        self._counts: Counts | None = None
        self.tally = Tally()
        self.response, self.service, self.lag = (WindowedTimes(len(self._edges) - 1) for _ in range(3))

    @classmethod
    def over(cls, seconds: float, settings: RunSettings) -> WindowedHistogram:
        """A run, whose windows are not too many to keep."""
        return cls(seconds, max(settings.width(seconds), seconds / MAX_WINDOWS))

    def add(self, rows: Rows) -> None:
        """Count them. They need not be in order."""
        counts, window = Counts.of(rows, self._edges), window_of(rows.intended, self._edges)
        self._counts = counts if self._counts is None else self._counts + counts
        self.tally += Tally.of(rows)
        self.response.add(window, rows.response)
        self.service.add(window[rows.begun], rows.service)
        self.lag.add(window, rows.lag)

    def windows(self, rss: Sequence[tuple[float, int]]) -> tuple[RunWindow, ...]:
        """Those in which anything happened, and all before."""
        if self._counts is None:
            return ()
        found = windows_of(self._counts, self._edges, self.response.three(), rss)
        used = max(i for i, window in enumerate(found) if window.offered or window.started or window.done)
        return found[: used + 1]
