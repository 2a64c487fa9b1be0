"""Rows into figures: traffic, distributions, windows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aembed.bench.record import FAILED, NEVER, OK, TIMED_OUT, UNFINISHED, WRONG, Floats, Ints, Rows
from aembed.bench.result import Distribution, Failure, Histogram, Traffic, Window
from aembed.bench.stats import percentiles

PER_OCTAVE = 8
"""Linear bins in each doubling of a histogram: none is wider than an eighth of its value."""
SHORTEST = 1e-9
"""Seconds: the lower end of the first octave. Shorter times, 0 among them, are counted there."""


def traffic(
    rows: Rows, *, seconds: float, peak_in_flight: int, peak_backlog: int, failures: Sequence[Failure]
) -> Traffic:
    """Counts and rates over the ``seconds`` of the schedule."""
    ok, failed, wrong, timed_out, unfinished = (
        int(np.sum(rows.outcome == outcome)) for outcome in (OK, FAILED, WRONG, TIMED_OUT, UNFINISHED)
    )
    started = rows.started[rows.started != NEVER]
    took = max(seconds, float(started.max()) / 1e9 if len(started) else 0.0)
    done = rows.done[rows.outcome == OK]
    until = max(seconds, float(done.max()) / 1e9 if len(done) else 0.0)
    return Traffic(
        offered=len(rows),
        ok=ok,
        failed=failed,
        wrong=wrong,
        timed_out=timed_out,
        unfinished=unfinished,
        offered_rate=len(rows) / seconds,
        achieved_rate=len(started) / took,
        good_rate=ok / until,
        seconds=seconds,
        peak_in_flight=peak_in_flight,
        peak_backlog=peak_backlog,
        failures=tuple(failures),
    )


def distribution(times: Floats) -> Distribution:
    """Of ``times`` in seconds, in the order of the requests; ``inf`` is censored."""
    finite = times[np.isfinite(times)]
    censored = len(times) - len(finite)
    return Distribution(
        count=len(times),
        censored=censored,
        mean=float(finite.mean()) if len(finite) and not censored else None,
        percentiles=percentiles(times),
        max=float(finite.max()) if len(finite) else None,
        histogram=histogram(finite),
    )


def histogram(times: Floats) -> Histogram:
    """Counts in bins that double in width with every octave, from the first to the last that is not empty."""
    if not len(times):
        return Histogram(edges=(), counts=())
    fraction, exponent = np.frexp(np.maximum(times, SHORTEST))
    bins = exponent.astype(np.int64) * PER_OCTAVE + ((fraction - 0.5) * 2 * PER_OCTAVE).astype(np.int64)
    first = int(bins.min())
    counts = np.bincount(bins - first)
    edges = tuple(_edge(first + i) for i in range(len(counts) + 1))
    return Histogram(edges=edges, counts=tuple(counts.tolist()))


def _edge(number: int) -> float:
    octave, step = divmod(number, PER_OCTAVE)
    return math.ldexp(0.5 + step / (2 * PER_OCTAVE), octave)


def windows(rows: Rows, *, seconds: float, width: float, rss: Sequence[tuple[float, int]] = ()) -> tuple[Window, ...]:
    """The run in windows of ``width`` seconds, until all is done; the last one of the schedule may be shorter."""
    if not len(rows):
        return ()
    last = max(seconds, float(max(rows.started.max(), rows.done.max())) / 1e9)
    edges = np.append(np.arange(math.ceil(seconds / width - 1e-9)) * width, seconds)
    if last > seconds:
        edges = np.append(edges, seconds + np.arange(1, math.ceil((last - seconds) / width) + 1) * width)
    starts = np.rint(edges * 1e9).astype(np.int64)
    starts[-1] = max(starts[-1], int(last * 1e9) + 1)
    over = (rows.outcome != UNFINISHED) & (rows.done != NEVER)
    offered = _count(rows.intended, starts)
    done = _count(rows.done[over], starts)
    good = _count(rows.done[rows.outcome == OK], starts)
    begun = _count(rows.started[rows.started != NEVER], starts)
    backlog = np.cumsum(offered - done)
    response, lag = rows.response, rows.lag
    cuts = np.searchsorted(rows.intended, starts)
    return tuple(
        Window(
            start=float(edges[i]),
            seconds=float(edges[i + 1] - edges[i]),
            offered=int(offered[i]),
            started=int(begun[i]),
            done=int(done[i]),
            good=int(good[i]),
            errors=int(done[i] - good[i]),
            backlog=int(backlog[i]),
            lag_max=_longest(lag[cuts[i] : cuts[i + 1]]),
            rss=_last_before(rss, float(edges[i + 1])),
            **_three(response[cuts[i] : cuts[i + 1]]),
        )
        for i in range(len(edges) - 1)
    )


def _count(times: Ints, edges: Ints) -> Ints:
    return np.diff(np.searchsorted(np.sort(times), edges)).astype(np.int64)


def _longest(lags: Floats) -> float:
    started = lags[np.isfinite(lags)]
    return float(started.max()) if len(started) else 0.0


def _three(times: Floats) -> dict[str, Any]:
    """p50, p95, p99 without intervals: windows are short."""
    ordered = np.sort(times)
    found = {}
    for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        value = float(ordered[max(math.ceil(q * len(ordered) - 1e-9), 1) - 1]) if len(ordered) else math.inf
        found[name] = value if math.isfinite(value) else None
    return found


def _last_before(samples: Sequence[tuple[float, int]], time: float) -> int | None:
    return next((rss for at, rss in reversed(samples) if at <= time), None)
