"""Schedules against closed forms: counts, times, and the distribution of gaps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from aembed import InputError
from aembed.bench.load.arrivals import Arrivals, burst, constant, gamma, poisson, ramp, steps, trace

SECOND = 1_000_000_000


def test_constant_is_a_metronome() -> None:
    assert constant(4).times(2).tolist() == [k * SECOND // 4 for k in range(8)]


@given(st.floats(0.1, 5000), st.floats(0.01, 20), st.sampled_from([0.0, 0.3, 1.0, 3.0]), st.integers(0, 2**32))
def test_n_requests_last_n_over_rate_and_stay_within_the_run(
    rate: float, duration: float, cv: float, seed: int
) -> None:
    expected = int(rate * duration + 1e-9)
    schedule = constant(rate) if cv == 0 else poisson(rate) if cv == 1 else gamma(rate, cv)
    if expected == 0:
        with pytest.raises(InputError, match="raise the rate or the duration"):
            schedule.times(duration, seed)
        return
    times = schedule.times(duration, seed)
    assert len(times) == expected
    assert times[0] == 0
    assert times[-1] <= min(duration, expected / rate) * SECOND + 1
    assert all(a <= b for a, b in pairwise(times.tolist()))


@pytest.mark.parametrize(
    "schedule",
    [
        constant(50),
        poisson(50),
        gamma(50, 2),
        ramp(10, 90),
        ramp(0, 100),
        ramp(100, 0),
        steps([20, 80], 5),
        burst(40, 140, 3, 1),
    ],
    ids=str,
)
def test_every_shape_offers_the_integral_of_its_rate(schedule: Arrivals) -> None:
    assert len(schedule.times(10, seed=3)) == 500
    assert schedule.times(10, seed=3).tolist() == schedule.times(10, seed=3).tolist()


def test_another_seed_is_another_draw() -> None:
    assert poisson(50).times(10, seed=1).tolist() != poisson(50).times(10, seed=2).tolist()


def test_a_ramp_follows_its_closed_form() -> None:
    """From 0 to r over T: the integral is r t^2 / 2T, so request k starts at sqrt(2 T k / r)."""
    times = ramp(0, 100).times(10)
    assert times == pytest.approx(np.sqrt(2 * 10 * np.arange(500) / 100) * SECOND, abs=1)
    mirrored = ramp(100, 0).times(10)
    assert mirrored == pytest.approx((10 - np.sqrt(10**2 - 2 * 10 * np.arange(500) / 100)) * SECOND, abs=1)


def test_steps_hold_each_rate_and_the_last_one_to_the_end() -> None:
    counts = np.bincount(steps([10, 20, 5], seconds=2).times(8) // (2 * SECOND))
    assert counts.tolist() == [20, 40, 10, 10]


def test_a_burst_is_where_it_was_asked_for() -> None:
    counts = np.bincount(burst(10, 100, at=2, spike_s=1).times(5) // SECOND)
    assert counts.tolist() == [10, 10, 100, 10, 10]


def test_poisson_counts_of_seconds_vary_as_they_must() -> None:
    """Variance over mean is 1 for a Poisson process, and the square of the gaps' cv in general."""
    for schedule, dispersion in [(poisson(200), 1.0), (gamma(200, 2), 4.0), (gamma(200, 0.5), 0.25)]:
        counts = np.bincount(schedule.times(2000, seed=5) // SECOND)
        assert counts.var() / counts.mean() == pytest.approx(dispersion, rel=0.12)


def test_gaps_of_poisson_are_exponential() -> None:
    """Kolmogorov-Smirnov on 40 schedules: p-values must not gather near 0, as they would for another distribution."""
    ps = [kstest(np.diff(poisson(1000).times(5, seed=seed)) / 1e6, "expon").pvalue for seed in range(40)]
    assert min(ps) > 0.05 / 40
    assert kstest(np.diff(gamma(1000, 1.2).times(5, seed=0)) / 1e6, "expon").pvalue < 1e-6


def test_a_trace_is_replayed_and_cut() -> None:
    assert trace([0, 0.5, 0.5, 3]).times(3).tolist() == [0, SECOND // 2, SECOND // 2]
    assert str(trace([0, 0.5, 3])) == "trace(3 requests in 3 s)"


@pytest.mark.parametrize(
    ("build", "hint"),
    [
        (lambda: constant(0), "rate=0 must be a finite number above 0 (requests/s)"),
        (lambda: poisson(float("nan")), "rate=nan must be"),
        (lambda: gamma(10, -1), "cv=-1 must be"),
        (lambda: ramp(0, 0), "never sends anything"),
        (lambda: steps([], 1), "has no rate"),
        (lambda: steps([1, 0], 1), "rates=0 must be"),
        (lambda: burst(10, 10, 1, 1), "must be above base=10"),
        (lambda: trace([]), "has no request"),
        (lambda: trace([1, 0.5]), "times[1] is 0.5, after 1"),
        (lambda: trace([5]).times(2), "the first is at 5 s"),
        (lambda: constant(5).times(-1), "duration=-1 must be a finite number above 0 (seconds)"),
        (lambda: burst(10, 20, at=5, spike_s=5).times(10), "needs more than duration=10 s"),
    ],
)
def test_wrong_arguments_are_named(build: object, hint: str) -> None:
    assert callable(build)
    with pytest.raises(InputError) as caught:
        build()
    assert hint in str(caught.value)


def test_gaps_too_small_for_a_number_are_none() -> None:
    """A coefficient of variation beyond all measure: every gap that is drawn is 0."""
    assert gamma(1.0, 1e6).times(3.0, seed=1).tolist() == [0, 0, 0]


def test_a_ramp_may_be_slow_and_may_end_at_nothing() -> None:
    assert len(ramp(0.5, 0.8).times(10)) == 6
    assert len(ramp(0.5, 0.0).times(10)) == 2
    with pytest.raises(InputError):
        ramp(0.0, 0.0)
