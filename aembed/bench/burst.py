"""A spike of load, and how long it is felt."""

from __future__ import annotations

from dataclasses import replace
from typing import Unpack

import numpy as np

from aembed.bench.arrivals import burst as arrivals_of
from aembed.bench.measure import open_loop
from aembed.bench.record import NEVER, Floats, Rows
from aembed.bench.result import Burst, Report
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, Settings, positive

REQUESTS = 20
"""In the sliding window at the base rate, at least."""
STEPS = 20
"""By how many the window slides over its own width."""
MARGIN = 0.1
"""The band is so much wider than what was seen before the spike, or as much as that varied, whatever is more."""


async def burst(
    target: Target,
    *,
    base: float,
    spike: float,
    spike_s: float,
    duration: float,
    at: float | None = None,
    cv: float = 0.0,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> Report:
    """``base`` requests a second, ``spike`` for ``spike_s`` seconds from ``at`` on (after a quarter), then ``base``.

    ``cv`` is the coefficient of variation of the gaps: 0 even, 1 Poisson.
    """
    start = positive("duration", duration) / 4 if at is None else at
    arrivals = arrivals_of(base, spike, start, spike_s, cv=cv)
    report, flown = await open_loop(target, arrivals, duration, seed, Settings(**options))
    felt = describe(flown.rows, base=base, spike=spike, start=start, end=start + spike_s, seconds=flown.seconds)
    return replace(report, mode="burst", burst=felt)


def describe(rows: Rows, *, base: float, spike: float, start: float, end: float, seconds: float) -> Burst:
    """The spike from ``start`` to ``end``, as felt by those who came before, in it and after it. Pure."""
    came, response = rows.intended / 1e9, rows.response
    width = max(1.0, REQUESTS / base)
    band = _band(_p95s(came, response, np.arange(0.0, start - width + 1e-9, width / STEPS), width))
    starts = np.arange(end, seconds - width + 1e-9, width / STEPS)
    times, waiting = _waiting(rows)
    later = times >= end * 1e9
    usual = int(waiting[times < start * 1e9].max(initial=0))
    drained = _drained(times, waiting, usual, end)
    felt = response[came >= start]
    done = rows.done / 1e9
    return Burst(
        base_rate=base,
        spike_rate=spike,
        spike_start=start,
        spike_end=end,
        band=band,
        peak_response=float(felt.max()) if len(felt) and np.isfinite(felt).all() else None,
        peak_backlog=int(waiting[times >= start * 1e9].max(initial=0)) if later.any() else 0,
        recovery=None if band is None else _recovery(starts, _p95s(came, response, starts, width), band[1], end),
        drained=drained,
        drain_rate=float(np.sum((done > end) & (done <= end + drained))) / drained if drained else None,
    )


def _p95s(came: Floats, response: Floats, starts: Floats, width: float) -> Floats:
    """The p95 of those who came in each window; ``nan`` for a window without any."""
    cuts = zip(np.searchsorted(came, starts), np.searchsorted(came, starts + width), strict=True)
    return np.array([_p95(response[first:last]) for first, last in cuts])


def _p95(times: Floats) -> float:
    return float(np.quantile(times, 0.95, method="inverted_cdf")) if len(times) else float("nan")


def _band(p95s: Floats) -> tuple[float, float] | None:
    seen = p95s[~np.isnan(p95s)]
    if not len(seen) or not np.isfinite(seen).all():
        return None
    low, high = float(seen.min()), float(seen.max())
    margin = max(MARGIN * high, high - low)
    return max(0.0, low - margin), high + margin


def _recovery(starts: Floats, p95s: Floats, limit: float, end: float) -> float | None:
    """Seconds from ``end`` to the first window from which on all are within the limit."""
    bad = np.flatnonzero(p95s > limit)
    if not len(starts) or (len(bad) and bad[-1] == len(starts) - 1):
        return None
    return float(starts[bad[-1] + 1] - end) if len(bad) else 0.0


def _waiting(rows: Rows) -> tuple[Floats, Floats]:
    """Nanoseconds at which the number of requests under way changes, and the number from then on."""
    done = rows.done[rows.done != NEVER]
    times = np.concatenate([done, rows.intended])
    order = np.argsort(times, kind="stable")  # who leaves at the moment another comes has left
    changes = np.concatenate([np.full(len(done), -1), np.ones(len(rows), dtype=np.int64)])
    return times[order].astype(np.float64), np.cumsum(changes[order]).astype(np.float64)


def _drained(times: Floats, waiting: Floats, usual: int, end: float) -> float | None:
    """Seconds from ``end`` until no more are under way than before the spike."""
    before = waiting[times < end * 1e9]
    if len(before) and before[-1] <= usual:
        return 0.0
    calm = np.flatnonzero((times >= end * 1e9) & (waiting <= usual))
    return float(times[calm[0]] / 1e9 - end) if len(calm) else None
