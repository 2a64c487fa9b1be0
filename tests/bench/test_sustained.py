"""Long runs that get worse: made-up drifts, and circumstances that excuse them."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from aembed import InputError, bench
from aembed.bench.load.sustained import NOTHING_TO_JUDGE, _excuse, drift_of, judge
from aembed.bench.model.estimates import Distribution, Estimate, Histogram, Percentile
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Drift
from aembed.bench.rows.columns import Floats
from aembed.bench.stats.sample import envelope_slope
from tests.bench.reports import noise, report, window

SAME = Estimate(value=0.0, low=0.0, high=0.0)
WORSE = Drift(response=Estimate(value=0.5, low=0.4, high=0.6), rate=SAME, rss=None, tolerance=0.1, steady=False)


def late(p99: float | None) -> Distribution:
    percentile = Percentile(q=0.99, value=p99)
    return Distribution(
        count=10, censored=0, mean=None, percentiles=(percentile,), max=1.0, histogram=Histogram(edges=(), counts=())
    )


def ran(*, slowing: float = 0.0, lag: float | None = 0.0) -> Report:
    """Windows of 10 ms each."""
    windows = tuple(window(i, 0.01) for i in range(8))
    return replace(
        report(),
        mode="sustained",
        before=noise(0.01),
        after=noise(0.01 * (1 + slowing)),
        windows=windows,
        lag=late(lag),
    )


def test_a_machine_that_became_slower_than_the_tolerance_is_an_excuse() -> None:
    assert _excuse(ran(slowing=0.09), WORSE) is None
    assert _excuse(ran(slowing=0.45), WORSE) == "the machine itself took +45% for the same calculation"
    assert _excuse(replace(ran(slowing=0.45), before=None), WORSE) is None
    assert _excuse(replace(ran(slowing=0.45), after=None), WORSE) is None


@pytest.mark.parametrize(
    ("lag", "rate", "excused"),
    [
        (0.006, 0.0, True),
        (0.0049, 0.0, False),
        (0.006, -0.1, True),
        (0.006, -0.11, False),
        (None, 0.0, False),
    ],
)
def test_a_drift_within_the_generators_delay_is_excused(lag: float | None, rate: float, excused: bool) -> None:
    """Half of 10 ms."""
    found = _excuse(ran(lag=lag), replace(WORSE, rate=Estimate(value=rate, low=rate, high=rate)))
    assert found == ("5000 µs are within what the generator itself was late, 6000 µs at p99" if excused else None)


def test_without_a_lag_nothing_is_excused_by_it() -> None:
    assert _excuse(replace(ran(), lag=None), WORSE) is None


def test_verdicts_word_for_word() -> None:
    told = "p50 changed by +50.0 % (+40.0 to +60.0 %), good rate changed by 0.0 % (0.0 to 0.0 %); the tolerance is 10 %"
    assert judge(replace(WORSE, steady=True)) == Verdict()
    assert judge(WORSE) == Verdict(state="over budget", reasons=(told,))
    assert judge(WORSE, "it rained") == Verdict(state="inconclusive", reasons=(f"{told}, but it rained",))
    unsure = Verdict(state="inconclusive", reasons=(f"{told}: a longer run would decide",))
    assert judge(replace(WORSE, steady=None), "it rained") == unsure


def test_changes_are_relative_to_the_median_over_the_whole_run() -> None:
    """Ten windows of a second each: p50 from 10 to 19 ms, median 14.5; good requests from 10 to 1 of 10."""
    found = drift_of([window(i, 0.01 + 0.001 * i, good=10 - i) for i in range(10)], seconds=10, tolerance=0.1)
    assert found is not None
    assert found.response.value == pytest.approx(10 * 0.001 / 0.0145)
    assert found.rate.value == pytest.approx(-10 * 0.1 / 0.55)
    assert (found.rss, found.tolerance, found.steady) == (None, 0.1, False)


@pytest.mark.parametrize(("seconds", "counted"), [(6, True), (5.9, False)])
def test_six_whole_windows_are_the_least(seconds: float, counted: bool) -> None:
    found = drift_of([window(i, 0.01, rss=1000) for i in range(8)], seconds=seconds, tolerance=0.1)
    assert (found is not None) == counted


@pytest.mark.parametrize(("known", "told"), [(5, False), (6, True)])
def test_memory_needs_six_windows_with_figures(known: int, told: bool) -> None:
    windows = [window(i, 0.01, rss=1000 if i < known else None) for i in range(8)]
    found = drift_of(windows, seconds=8, tolerance=0.1)
    assert found is not None
    assert (found.rss is not None) == told


@pytest.mark.parametrize(("points", "groups"), [(6, 2), (9, 3), (180, 60), (400, 60)])
def test_the_envelope_has_a_minimum_of_each_three_and_sixty_at_most(
    points: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def slope(x: Floats, _: Floats) -> Estimate:
        seen.append(len(x))
        return Estimate(value=0.0)

    monkeypatch.setattr(sys.modules["aembed.bench.stats.sample"], "theil_sen", slope)
    envelope_slope(np.arange(points, dtype=float), np.ones(points))
    assert seen == [groups]


async def _at_once() -> None: ...


@pytest.mark.virtual_time
async def test_a_run_has_sixty_windows_unless_others_are_asked_for() -> None:
    arrivals = bench.constant(10)
    usual = await bench.sustained(_at_once, arrivals=arrivals, duration=30)
    assert {window.seconds for window in usual.windows} == {0.5}
    chosen = await bench.sustained(_at_once, arrivals=arrivals, duration=30, window=5.0)
    assert [window.seconds for window in chosen.windows] == [5.0] * 6
    with pytest.raises(InputError, match=r"window=6 s gives fewer than 6 windows in 30 s"):
        await bench.sustained(_at_once, arrivals=arrivals, duration=30, window=6.0)
    with pytest.raises(InputError, match=r"tolerance=0 must be a finite number above 0 \(a share\)"):
        await bench.sustained(_at_once, arrivals=arrivals, duration=30, tolerance=0)


@pytest.mark.virtual_time
async def test_windows_without_answers_are_nothing_to_judge() -> None:
    report = await bench.sustained(_at_once, arrivals=bench.trace([0.1, 0.2, 11.0]), duration=12, window=2.0)
    assert report.drift is None
    assert report.verdict == NOTHING_TO_JUDGE
    assert report.verdict.reasons == (
        "fewer than 6 windows have answers: a longer run, or wider windows, would decide",
    )
