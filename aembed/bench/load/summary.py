"""Rows into figures: traffic, distributions, windows. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from aembed.bench.model.estimates import Distribution, Histogram
from aembed.bench.model.under_load import Failure, RunWindow, Traffic
from aembed.bench.rows.columns import FAILED, NEVER, OK, TIMED_OUT, UNFINISHED, WRONG, Floats, Ints, Rows
from aembed.bench.stats.sample import QUANTILES, percentiles_and_size, rank_of

Three: TypeAlias = tuple[float | None, float | None, float | None]

PER_OCTAVE = 8
"""Linear bins in each doubling of a histogram: none is wider than an eighth of its value."""
SHORTEST_S = 1e-9
"""Seconds: the lower end of the first octave. Shorter times, 0 among them, are counted there."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of requests by outcome, and the last start and answer; tallies of parts of a run add up."""

    outcomes: tuple[int, ...] = (0, 0, 0, 0, 0)
    """By :data:`aembed.bench.load.record.Outcome`."""
    started: int = 0
    last_start: float = 0.0
    last_good: float = 0.0

    @classmethod
    def of(cls, rows: Rows) -> Tally:
        started, good = rows.started[rows.started != NEVER], rows.done[rows.outcome == OK]
        outcomes = tuple(np.bincount(rows.outcome, minlength=5).tolist())
        return cls(outcomes, len(started), float(started.max(initial=0)) / 1e9, float(good.max(initial=0)) / 1e9)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            tuple(map(sum, zip(self.outcomes, other.outcomes, strict=True))),
            self.started + other.started,
            max(self.last_start, other.last_start),
            max(self.last_good, other.last_good),
        )


def traffic(
    tally: Tally, *, seconds: float, peak_in_flight: int, peak_backlog: int, failures: Sequence[Failure]
) -> Traffic:
    """Counts and rates over the ``seconds`` of the schedule."""
    offered = sum(tally.outcomes)
    return Traffic(
        offered=offered,
        ok=tally.outcomes[OK],
        failed=tally.outcomes[FAILED],
        wrong=tally.outcomes[WRONG],
        timed_out=tally.outcomes[TIMED_OUT],
        unfinished=tally.outcomes[UNFINISHED],
        offered_rate=offered / seconds,
        started=tally.started,
        achieved_rate=tally.started / max(seconds, tally.last_start),
        good_rate=tally.outcomes[OK] / max(seconds, tally.last_good),
        seconds=seconds,
        peak_in_flight=peak_in_flight,
        peak_backlog=peak_backlog,
        failures=tuple(failures),
    )


def distribution(times: Floats, qs: Sequence[float] = QUANTILES) -> Distribution:
    """The distribution of ``times`` in seconds, in the order of the requests; ``inf`` is censored."""
    found, independent = percentiles_and_size(times, qs)
    finite = times[np.isfinite(times)]
    censored = len(times) - len(finite)
    return Distribution(
        count=len(times),
        censored=censored,
        mean=float(finite.mean()) if len(finite) and not censored else None,
        percentiles=found,
        max=float(finite.max()) if len(finite) else None,
        histogram=histogram(finite),
        independent=independent,
    )


def histogram(times: Floats) -> Histogram:
    """Counts in bins that double in width with every octave, from the first to the last that is not empty."""
    if not len(times):
        return Histogram(edges=(), counts=())
    bins = octave_bins(times, PER_OCTAVE)
    first = int(bins.min())
    return histogram_of(first, np.bincount(bins - first))


def octave_bins(times: Floats, per_octave: int) -> Ints:
    """The numbers of their bins; ``2^n`` s begins bin ``(n + 1) * per_octave``."""
    fraction, exponent = np.frexp(np.maximum(times, SHORTEST_S))
    return exponent.astype(np.int64) * per_octave + ((fraction - 0.5) * 2 * per_octave).astype(np.int64)


def histogram_of(first: int, counts: Ints) -> Histogram:
    """``counts`` of bins from number ``first`` on."""
    there = np.flatnonzero(counts)
    if not len(there):
        return Histogram(edges=(), counts=())
    begin, end = int(there[0]), int(there[-1]) + 1
    edges = tuple(_edge(first + i) for i in range(begin, end + 1))
    return Histogram(edges=edges, counts=tuple(counts[begin:end].tolist()))


def _edge(number: int) -> float:
    octave, step = divmod(number, PER_OCTAVE)
    return math.ldexp(0.5 + step / (2 * PER_OCTAVE), octave)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of each window; those of parts of a run add up."""

    offered: Ints
    started: Ints
    done: Ints
    good: Ints
    lag_max: Floats

    @classmethod
    def of(cls, rows: Rows, edges: Floats) -> Counts:
        """In the windows between ``edges``; later ones are in the last."""
        ends = np.rint(edges * 1e9).astype(np.int64)
        ends[-1] = np.iinfo(np.int64).max
        over = (rows.outcome != UNFINISHED) & (rows.done != NEVER)
        begun = rows.started != NEVER
        lag = np.zeros(len(edges) - 1)
        np.maximum.at(lag, window_of(rows.intended[begun], edges), rows.lag[begun])
        offered, started, done, good = (
            np.diff(np.searchsorted(np.sort(each), ends))
            for each in (rows.intended, rows.started[begun], rows.done[over], rows.done[rows.outcome == OK])
        )
        return cls(offered, started, done, good, lag)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.offered + other.offered,
            self.started + other.started,
            self.done + other.done,
            self.good + other.good,
            np.maximum(self.lag_max, other.lag_max),
        )


def window_of(times: Ints, edges: Floats) -> Ints:
    """Numbers of the windows that ``times`` lie in."""
    found = np.searchsorted(np.rint(edges * 1e9).astype(np.int64), times, side="right") - 1
    return np.clip(found, 0, len(edges) - 2)


def edges_of(seconds: float, width: float, last: float) -> Floats:
    """Edges of the windows until ``last``; the last one of the schedule may be shorter."""
    edges = np.append(np.arange(math.ceil(seconds / width - 1e-9)) * width, seconds)
    if last > seconds:
        edges = np.append(edges, seconds + np.arange(1, math.ceil((last - seconds) / width) + 1) * width)
    return edges


def windows(
    rows: Rows, *, seconds: float, width: float, rss: Sequence[tuple[float, int]] = ()
) -> tuple[RunWindow, ...]:
    """The run in windows of ``width`` seconds, until all is done."""
    if not len(rows):
        return ()
    edges = edges_of(seconds, width, max(seconds, float(max(rows.started.max(), rows.done.max())) / 1e9))
    response, window = rows.response, window_of(rows.intended, edges)
    cuts = np.searchsorted(window, np.arange(len(edges)))
    three = [_three(np.sort(response[begin:end])) for begin, end in pairwise(cuts)]
    return windows_of(Counts.of(rows, edges), edges, three, rss, _peaks(rows, edges).tolist())


def _peaks(rows: Rows, edges: Floats) -> Ints:
    """The most requests without an answer at once, in each window."""
    done = rows.done[rows.done != NEVER]
    times = np.concatenate([done, rows.intended])
    order = np.argsort(times, kind="stable")  # who leaves at the moment another comes has left
    changes = np.concatenate([np.full(len(done), -1), np.ones(len(rows), dtype=np.int64)])
    waiting = np.cumsum(changes[order])
    before = np.searchsorted(times[order], np.rint(edges[:-1] * 1e9))
    peaks = np.where(before > 0, waiting[before - 1], 0)
    np.maximum.at(peaks, window_of(times[order], edges), waiting)
    return peaks


def windows_of(
    counts: Counts,
    edges: Floats,
    three: Sequence[Three],
    rss: Sequence[tuple[float, int]],
    peaks: Sequence[int] | None = None,
) -> tuple[RunWindow, ...]:
    """With the p50, p95 and p99 of each; ``peaks`` are those of the backlog, where they are known."""
    backlog = np.cumsum(counts.offered - counts.done)
    return tuple(
        RunWindow(
            start=float(begin),
            seconds=float(end - begin),
            offered=int(counts.offered[i]),
            started=int(counts.started[i]),
            done=int(counts.done[i]),
            good=int(counts.good[i]),
            errors=int(counts.done[i] - counts.good[i]),
            p50=three[i][0],
            p95=three[i][1],
            p99=three[i][2],
            backlog=int(backlog[i]),
            lag_max=float(counts.lag_max[i]),
            rss=_last_before(rss, float(end)),
            backlog_peak=None if peaks is None else peaks[i],
        )
        for i, (begin, end) in enumerate(pairwise(edges))
    )


def _three(ordered: Floats) -> Three:
    """p50, p95, p99 without intervals: windows are short."""
    p50, p95, p99 = (
        float(ordered[rank_of(q, len(ordered)) - 1]) if len(ordered) else math.inf for q in (0.5, 0.95, 0.99)
    )
    return tuple(value if math.isfinite(value) else None for value in (p50, p95, p99))  # type: ignore[return-value]


def _last_before(samples: Sequence[tuple[float, int]], time: float) -> int | None:
    return next((rss for at, rss in reversed(samples) if at <= time), None)


def most_in_flight(rows: Rows) -> int:
    """Requests under way at once, at most; those without an answer are until the end."""
    begun, done = rows.started[rows.begun], rows.done[rows.begun]
    ends = done[done != NEVER]
    order = np.argsort(np.concatenate([ends, begun]), kind="stable")  # one that ends as another starts has left
    changes = np.concatenate([np.full(len(ends), -1), np.ones(len(begun), dtype=np.int64)])
    return int(np.cumsum(changes[order]).max(initial=0))
