"""A spike of load, and how long it is felt.

The latency before the spike is taken as the interval of its p95: 5 % of the requests may be slower, and by chance it is
more now and then. So a stretch after the spike counts as slow only if chance would not make one like it: by the
likelihood of half the requests being slow against that of 5 % (Page 1954), each counting for less where slow ones come
in clusters anyway. A window of fixed width would hold a handful of requests where the rate is low, and their p95 is
just the slowest of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from aembed.bench.load.arrivals import burst as arrivals_of
from aembed.bench.load.measure import open_loop, settings_for
from aembed.bench.load.objectives import with_objectives
from aembed.bench.model.estimates import Percentile
from aembed.bench.model.objectives import Goal, Judgement
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Burst
from aembed.bench.rows.columns import NEVER, Floats, Rows
from aembed.bench.rows.output import writes_files
from aembed.bench.scenario import Target
from aembed.bench.settings import MAX_WINDOWS, RunOptions, positive
from aembed.bench.stats.sample import effective_size, percentiles

Q = 0.95
REQUESTS_BEFORE_SPIKE = 150
"""Requests that nearly always have an interval of their p95: 72 at least, and more where they depend on each other."""
BAND_MARGIN = 0.1
"""The band is so much wider, relatively, than the interval of the p95 before the spike."""
SLOW_SHARE = 0.5
"""Share of slow requests that a stretch is tested for."""
EACH_SLOW = math.log(SLOW_SHARE / (1 - Q))
FALSE_ALARM_SHARE = 0.01
"""In how many runs, at most, chance alone makes a slow stretch."""


@writes_files
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

    ``cv`` is the coefficient of variation of the gaps: 0 even, 1 Poisson. Inconclusive where recovery is uncertain.
    """
    start = positive("duration", duration) / 4 if at is None else at
    arrivals = arrivals_of(base, spike, start, spike_s, cv=cv)
    settings = settings_for("burst", target, options)
    fine = max(min(1.0, spike_s / 4), duration / MAX_WINDOWS)
    settings = replace(settings, window=settings.window or fine)
    report, result = await open_loop(target, arrivals, duration, seed, settings, fold=False)
    felt = describe(result.rows, base=base, spike=spike, start=start, end=start + spike_s)
    verdict, objectives = report.verdict, report.objectives
    if verdict.state == "invalid":
        return replace(report, mode="burst", burst=felt)
    if felt.recovery_unknown is not None:
        reason = f"the recovery time is unknown: {felt.recovery_unknown}"
        verdict = verdict.joined(Verdict(state="inconclusive", reasons=(reason,)))
    recoveries = [recovery_judged(goal, felt) for goal in settings.goals if goal.metric == "recovery"]
    verdict = with_objectives(verdict, recoveries, None)
    return replace(report, mode="burst", burst=felt, verdict=verdict, objectives=(*objectives, *recoveries))


def recovery_judged(goal: Goal, felt: Burst) -> Judgement:
    """The one recovery that was seen, against its limit. Pure."""
    if felt.recovery_unknown is not None:
        return Judgement(goal=goal, state="inconclusive", value=None, note=felt.recovery_unknown)
    kept = felt.recovery is not None and felt.recovery <= goal.limit
    return Judgement(goal=goal, state="kept" if kept else "broken", value=felt.recovery)


def describe(rows: Rows, *, base: float, spike: float, start: float, end: float) -> Burst:
    """The spike from ``start`` to ``end``, as felt by those who came before, in it and after it. Pure."""
    came, response = rows.intended / 1e9, rows.response
    (usual,) = percentiles(response[came < start], (Q,))
    recovery = _recovery(came, response, usual, start, end)
    times, waiting = _waiting(rows)
    most = int(waiting[times < start * 1e9].max(initial=0))
    drained = _drained(times, waiting, most, end)
    felt = response[came >= start]
    done = rows.done / 1e9
    return Burst(
        base_rate=base,
        spike_rate=spike,
        spike_start=start,
        spike_end=end,
        band=_band(usual),
        peak_response=float(felt.max()) if len(felt) and np.isfinite(felt).all() else None,
        peak_backlog=int(waiting[times >= start * 1e9].max(initial=0)),
        recovery=recovery if isinstance(recovery, float) else None,
        recovery_unknown=recovery if isinstance(recovery, str) else None,
        drained=drained,
        drain_rate=float(np.sum((done > end) & (done <= end + drained))) / drained if drained else None,
    )


def _band(usual: Percentile) -> tuple[float, float] | None:
    if usual.low is None or usual.high is None:
        return None
    return usual.low * (1 - BAND_MARGIN), usual.high * (1 + BAND_MARGIN)


def _recovery(came: Floats, response: Floats, usual: Percentile, start: float, end: float) -> float | str | None:
    """Seconds from ``end`` to the first request after the last slow stretch; ``None``: it lasts. Or why not."""
    band = _band(usual)
    earlier, later = response[came < start], response[came >= end]
    if not np.isfinite(earlier).all():
        return "requests failed before it, so that the usual latency is unknown"
    if band is None or usual.value is None:
        wanted = max(REQUESTS_BEFORE_SPIKE, 2 * len(earlier))  # those that depend on each other say less
        return f"{len(earlier)} requests before it say too little about their p95; give it time for {wanted} or more"
    cluster = len(earlier) / effective_size(earlier > usual.value)  # requests that queue are slow together
    after = _slowness(later > band[1]) / cluster
    enough = math.log(max(len(after), 1) / FALSE_ALARM_SHARE)
    if len(after) * EACH_SLOW / cluster < enough:
        return f"{len(after)} requests after it are too few to distinguish slow ones from chance"
    surely = np.flatnonzero(after >= enough)
    if not len(surely):
        return 0.0
    first = int(np.flatnonzero(after[: surely[-1]] == 0).max(initial=0))
    peak = first + int(np.argmax(after[first:]))
    if after[peak:].min() > 0 and after[peak] - after[-1] < math.log(1 / FALSE_ALARM_SHARE):
        return None
    return float(came[came >= end][peak + 1] - end)


def _slowness(slow: NDArray[np.bool_]) -> Floats:
    """The log of that likelihood against the other, of the stretch up to each request that makes it largest."""
    walk = np.cumsum(np.where(slow, EACH_SLOW, math.log((1 - SLOW_SHARE) / Q)))
    return np.asarray(walk - np.minimum(np.minimum.accumulate(walk), 0.0), dtype=np.float64)


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
