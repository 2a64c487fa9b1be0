"""The same load for long: does anything get worse, and how sure is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np

from aembed import InputError
from aembed.bench import units
from aembed.bench.load.arrivals import Arrivals
from aembed.bench.load.measure import open_loop, settings_for
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Drift, RunWindow
from aembed.bench.rows.columns import Floats
from aembed.bench.rows.output import writes_files
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, positive
from aembed.bench.stats.sample import envelope_slope, theil_sen

DEFAULT_WINDOWS = 60
"""Default number of windows of a run."""
MIN_WINDOWS = 6
"""Windows that a slope needs at least."""

NOTHING_TO_JUDGE = Verdict(
    state="inconclusive",
    reasons=(f"fewer than {MIN_WINDOWS} windows have answers: a longer run, or wider windows, would decide",),
)


@writes_files
async def sustained(
    target: Target,
    *,
    arrivals: Arrivals,
    duration: float,
    tolerance: float = 0.1,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> Report:
    """An open loop whose windows must not get worse, by more than ``tolerance`` from begin to end: p50 and good rate.

    The good rate is divided by the one offered in the same window, for random arrivals make that vary. Over budget if
    they surely got worse by more; inconclusive if the run was too short or too noisy for a verdict, if the machine
    itself became slower meanwhile, or if the change is no larger than the generator's delays.
    """
    positive("tolerance", tolerance, "a share")
    settings = settings_for("sustained", target, options)
    settings = replace(settings, window=settings.window or positive("duration", duration) / DEFAULT_WINDOWS)
    if duration / settings.width(duration) < MIN_WINDOWS:
        raise InputError(f"window={settings.window:g} s gives fewer than {MIN_WINDOWS} windows in {duration:g} s")
    report, result = await open_loop(target, arrivals, duration, seed, settings)
    drift = drift_of(report.windows, seconds=result.seconds, tolerance=tolerance)
    verdict = report.verdict
    if report.is_measured and verdict.state != "failed":
        verdict = verdict.joined(NOTHING_TO_JUDGE if drift is None else judge(drift, _excuse(report, drift)))
    return replace(report, mode="sustained", drift=drift, verdict=verdict)


def drift_of(windows: Sequence[RunWindow], *, seconds: float, tolerance: float) -> Drift | None:
    """Drift over the windows within the schedule; ``None`` if they are too few. Pure."""
    inside = [
        window for window in windows if window.start + window.seconds <= seconds + 1e-9 and window.p50 is not None
    ]
    if len(inside) < MIN_WINDOWS:
        return None
    starts = np.array([window.start for window in inside])
    response = _change(starts, np.array([window.p50 for window in inside], dtype=np.float64), seconds)
    rate = _change(starts, np.array([window.good / window.offered for window in inside]), seconds)
    sizes = np.array([(window.start, window.rss) for window in inside if window.rss is not None], dtype=np.float64)
    return Drift(
        response=response,
        rate=rate,
        rss=envelope_slope(sizes[:, 0], sizes[:, 1]) if len(sizes) >= MIN_WINDOWS else None,
        tolerance=tolerance,
        steady=_steady(response, rate, tolerance),
    )


def _change(starts: Floats, values: Floats, seconds: float) -> Estimate:
    """From begin to end, relative to the median."""
    slope, scale = theil_sen(starts, values), seconds / float(np.median(values) or 1.0)
    low, high = _ends(slope)
    return Estimate(value=slope.value * scale, low=low * scale, high=high * scale)


def _ends(estimate: Estimate) -> tuple[float, float]:
    """Ends of the interval, which every slope has."""
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


def _steady(response: Estimate, rate: Estimate, tolerance: float) -> bool | None:
    """An improvement does not count."""
    (fastest, slowest), (fewest, most) = _ends(response), _ends(rate)
    if fastest > tolerance or most < -tolerance:
        return False
    return True if slowest <= tolerance and fewest >= -tolerance else None


def _excuse(report: Report, drift: Drift) -> str | None:
    """Why a change may not be the subject's own."""
    before, after, lag = report.before, report.after, report.lag
    slowing = 0.0 if before is None or after is None else after.canary / before.canary - 1
    if slowing > drift.tolerance:
        return f"the machine itself took {slowing:+.0%} for the same calculation"
    usual = float(np.median([window.p50 for window in report.windows if window.p50 is not None]))
    slower, late = abs(drift.response.value) * usual, None if lag is None else lag.at(0.99).value
    if late is not None and slower < late and _ends(drift.rate)[1] >= -drift.tolerance:
        return f"{slower * 1e6:.0f} µs are within what the generator itself was late, {late * 1e6:.0f} µs at p99"
    return None


def judge(drift: Drift, excuse: str | None = None) -> Verdict:
    """``excuse``: why the change may not be the subject's own. Pure."""
    if drift.steady:
        return Verdict()
    told = ", ".join(
        f"{name} changed by {units.estimate(change, units.change)}"
        for name, change in (("p50", drift.response), ("good rate", drift.rate))
    )
    reason = f"{told}; the tolerance is {100 * drift.tolerance:g} %"
    if drift.steady is None:
        return Verdict(state="inconclusive", reasons=(f"{reason}: a longer run would decide",))
    if excuse is not None:
        return Verdict(state="inconclusive", reasons=(f"{reason}, but {excuse}",))
    return Verdict(state="over budget", reasons=(reason,))
