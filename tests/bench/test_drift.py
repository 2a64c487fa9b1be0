"""Sustained load: drifts are found, and noise is none, on virtual time against closed forms."""

from __future__ import annotations

from dataclasses import replace

import anyio
import numpy as np
import pytest

from aembed import InputError, bench
from aembed.bench.load.sustained import _steady, drift_of, judge
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.under_load import Drift
from aembed.bench.stats.sample import envelope_slope
from tests.bench.reports import window
from tests.bench.subjects import server

virtual = pytest.mark.virtual_time


@virtual
async def test_steady_load_is_steady() -> None:
    report = await bench.sustained(server(), arrivals=bench.constant(50), duration=30)
    assert report.mode == "sustained"
    assert report.drift is not None
    assert report.drift.steady is True
    assert report.verdict.state == "ok"
    assert len(report.windows) >= 60


@virtual
async def test_random_arrivals_are_no_drift_of_the_rate() -> None:
    async def call() -> None:
        await anyio.sleep(0.005)

    report = await bench.sustained(call, arrivals=bench.poisson(200), duration=16)
    assert report.drift is not None
    assert report.drift.rate.value == pytest.approx(0, abs=0.01)
    assert report.drift.steady is True


@virtual
async def test_a_drift_is_found_and_is_over_budget() -> None:
    """From 10 to 16 ms: 6 ms of a median of 13."""
    report = await bench.sustained(server(growth=0.006 / 3000), arrivals=bench.constant(50), duration=60)
    assert report.drift is not None
    assert report.drift.response.value == pytest.approx(6 / 13, rel=0.05)
    assert report.drift.steady is False
    assert (report.verdict.state, report.verdict.exit_code) == ("over budget", 1)
    assert "p50 changed by +46" in report.verdict.reasons[0]


def test_noise_that_hides_a_drift_is_inconclusive() -> None:
    noisy = [window(i, 1 + (i * 7 % 11 - 5) / 10, rss=1000 + 10 * i) for i in range(12)]
    found = drift_of(noisy, seconds=12, tolerance=0.1)
    assert found is not None
    assert found.steady is None
    assert found.rss == Estimate(value=10, low=10, high=10)
    assert drift_of(noisy[:5], seconds=12, tolerance=0.1) is None
    assert drift_of([replace(w, p50=None) for w in noisy], seconds=12, tolerance=0.1) is None


def test_a_drift_that_may_be_the_machines_is_inconclusive() -> None:
    worse, same = Estimate(value=0.5, low=0.4, high=0.6), Estimate(value=0.0, low=0.0, high=0.0)
    drift = Drift(response=worse, rate=same, rss=None, tolerance=0.1, steady=False)
    assert judge(drift).state == "over budget"
    found = judge(drift, "the machine itself took +45% for the same calculation")
    assert found.state == "inconclusive"
    assert found.reasons[0].endswith("but the machine itself took +45% for the same calculation")


def test_an_improvement_is_no_drift() -> None:
    faster = [window(i, 2 - i / 10) for i in range(12)]
    found = drift_of(faster, seconds=12, tolerance=0.1)
    assert found is not None
    assert found.response.value < -0.5
    assert found.steady is True


def test_a_sawtooth_has_a_flat_envelope() -> None:
    x = np.arange(400, dtype=np.float64)
    assert envelope_slope(x, 100 + x % 5).value == 0
    assert envelope_slope(x, 100 + x % 5 + 2 * x).value == pytest.approx(2, rel=0.05)


@virtual
async def test_too_few_windows_are_rejected() -> None:
    with pytest.raises(InputError, match=r"window=2 s gives fewer than 6 windows in 10 s"):
        await bench.sustained(server(), arrivals=bench.constant(1), duration=10, window=2)


@pytest.mark.parametrize(
    ("response", "rate", "steady"),
    [
        ((0.1, 0.2), (0.0, 0.0), None),
        ((0.1000001, 0.2), (0.0, 0.0), False),
        ((-0.5, 0.1), (-0.1, 0.3), True),
        ((-0.5, 0.1000001), (0.0, 0.0), None),
        ((0.0, 0.0), (-0.2, -0.1), None),
        ((0.0, 0.0), (-0.2, -0.1000001), False),
        ((0.0, 0.0), (-0.1000001, 0.0), None),
        ((-0.9, -0.8), (0.5, 0.9), True),
    ],
)
def test_steady_is_within_the_tolerance_at_both_ends(
    response: tuple[float, float], rate: tuple[float, float], steady: bool | None
) -> None:
    ends = [Estimate(value=sum(each) / 2, low=each[0], high=each[1]) for each in (response, rate)]
    assert _steady(ends[0], ends[1], 0.1) is steady
