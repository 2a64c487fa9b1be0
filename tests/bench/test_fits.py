"""Fits against certified and published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.stats.fits import _never_falling, knee, linear_fit, usl_fit

NORRIS = """
0.2 0.1   337.4 338.8  118.2 118.1  884.6 888.0  10.1 9.2     226.5 228.1  666.3 668.5  996.3 998.5  448.6 449.1
777.0 778.9  558.2 559.2  0.4 0.3   0.6 0.1      775.5 778.1  666.9 668.8  338.0 339.3  447.5 448.9  11.6 10.8
556.0 557.7  228.1 228.3  995.8 998.0  887.6 888.8  120.2 119.6  0.3 0.3   0.3 0.6      556.8 557.6  339.1 339.3
887.2 888.0  999.0 998.5  779.0 778.9  11.1 10.2  118.3 117.6  229.2 228.9  669.1 668.4  448.9 449.2  0.5 0.2
"""
"""x and y of 36 points; NIST Statistical Reference Datasets, linear regression, "Norris"."""


def half(estimate: Estimate) -> float:
    assert estimate.high is not None
    return estimate.high - estimate.value


def test_a_line_agrees_with_the_certified_values_of_nist() -> None:
    points = np.array(NORRIS.split(), dtype=float).reshape(-1, 2)
    fit = linear_fit(points[:, 0], points[:, 1])
    assert fit.fixed.value == pytest.approx(-0.262323073774029, rel=1e-9)
    assert fit.per_unit.value == pytest.approx(1.00211681802045, rel=1e-12)
    assert fit.r2 == pytest.approx(0.999993745883712, rel=1e-12)
    t = 2.032244509  # Student's t, 34 degrees of freedom, 97.5 %
    assert half(fit.fixed) == pytest.approx(t * 0.232818234301152, rel=1e-6)
    assert half(fit.per_unit) == pytest.approx(t * 0.429796848199937e-3, rel=1e-6)


def test_lack_of_fit_is_the_closed_form() -> None:
    """x 0, 1, 2 twice; means 1, 2, 1 and scatter +-1: pure error 6 of 3 degrees, lack of fit 4/3 of 1: F = 2/3."""
    fit = linear_fit([0, 0, 1, 1, 2, 2], [0, 2, 1, 3, 0, 2])
    assert (fit.fixed.value, fit.per_unit.value) == pytest.approx((4 / 3, 0))
    ratio = math.sqrt(2) / 3  # the square root of F is Student's t with 3 degrees, over its square root of 3
    assert fit.lack_of_fit == pytest.approx(1 - 2 / math.pi * (ratio / (1 + ratio**2) + math.atan(ratio)))


def test_a_curve_is_distinguished_from_a_line() -> None:
    dice = np.random.default_rng(0)
    x = np.repeat([5, 20, 50, 100], 8)
    scatter = dice.normal(1, 0.01, len(x))
    straight, bent = linear_fit(x, (2 + 0.5 * x) * scatter), linear_fit(x, (2 + 0.5 * x + 0.002 * x**2) * scatter)
    assert straight.lack_of_fit is not None
    assert bent.lack_of_fit is not None
    assert straight.lack_of_fit > 0.05
    assert bent.lack_of_fit < 1e-6


@given(st.floats(-10, 10), st.floats(-10, 10), st.lists(st.integers(0, 100), min_size=3, max_size=9, unique=True))
def test_points_on_a_line_give_the_line(fixed: float, slope: float, x: list[int]) -> None:
    fit = linear_fit(x, [fixed + slope * each for each in x])
    assert (fit.fixed.value, fit.per_unit.value) == pytest.approx((fixed, slope), abs=1e-6)
    assert fit.lack_of_fit is None


def test_too_few_points_are_rejected() -> None:
    with pytest.raises(ValueError, match="got 2 at 2"):
        linear_fit([1, 2], [1, 2])
    with pytest.raises(ValueError, match="got 3 at 1"):
        linear_fit([1, 1, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="four points or more; got 3"):
        usl_fit([1, 2, 3], [1, 2, 3])


def test_usl_is_the_published_example() -> None:
    """SPEC SDM91 on a SPARCcenter 2000; coefficients and standard errors as the R package usl prints them."""
    fit = usl_fit([1, 18, 36, 72, 108, 144, 216], [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2])
    assert fit.gain.value == pytest.approx(89.9952330, rel=1e-4)
    assert fit.contention.value == pytest.approx(0.0277285, rel=1e-4)
    assert fit.coherence.value == pytest.approx(0.0001044, rel=1e-3)
    assert fit.peak == pytest.approx(96.51956, rel=1e-4)
    t = 2.776445105  # 4 degrees of freedom, 97.5 %
    assert half(fit.gain) == pytest.approx(t * 14.2134894, rel=1e-3)
    assert half(fit.contention) == pytest.approx(t * 0.0091217, rel=1e-3)
    assert half(fit.coherence) == pytest.approx(t * 0.0000199, rel=1e-2)


@pytest.mark.parametrize(("contention", "coherence"), [(0.0, 0.0), (0.1, 0.0), (0.02, 0.0005)])
def test_usl_finds_planted_parameters(contention: float, coherence: float) -> None:
    n = np.array([1, 2, 5, 10, 20, 50, 100])
    fit = usl_fit(n, 2500 * n / (1 + contention * (n - 1) + coherence * n * (n - 1)))
    found = (fit.gain.value / 2500, fit.contention.value, fit.coherence.value)
    assert found == pytest.approx((1, contention, coherence), abs=1e-4)
    assert fit.r2 == pytest.approx(1)
    assert (fit.peak is not None and fit.peak < 1000) == (coherence > 0)


def exact(value: float | None) -> Percentile:
    """Without any doubt; ``None``: among the failed."""
    certain = math.inf if value is None else value
    return Percentile(q=0.95, value=value, low=certain, high=value)


def test_the_knee_is_where_the_fitted_curve_crosses_the_limit() -> None:
    """Between 200/s at half the limit and 400/s at twice of it: half-way of the logarithm."""
    found = knee([100, 200, 400, 800], [exact(0.04), exact(0.05), exact(0.2), exact(None)], 0.1)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((200, 300, 400))


def test_the_order_of_steps_does_not_matter_and_a_dip_is_smoothed() -> None:
    rates = [400, 100, 200, 300]
    times = [exact(0.4), exact(0.05), exact(0.16), exact(0.04)]
    found = knee(rates, times, 0.1)  # 200 and 300 pool to sqrt(0.16 * 0.04) = 0.08
    assert found is not None
    assert 300 < found.value < 400


def test_the_interval_of_the_knee_follows_those_of_the_percentiles() -> None:
    wide = [Percentile(q=0.95, value=v, low=v / 2, high=v * 2) for v in (0.02, 0.04, 0.08, 0.16, 0.32)]
    found = knee([100, 200, 300, 400, 500], wide, 0.1)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((232.19, 332.19, 432.19), abs=0.01)


def test_a_knee_that_was_not_reached_has_no_upper_end_and_one_below_all_rates_is_none() -> None:
    assert knee([100, 200], [exact(0.01), exact(0.02)], 0.1) == Estimate(value=200, low=200, high=None)
    assert knee([100, 200], [exact(0.2), exact(None)], 0.1) is None


def spread(value: float, low: float, high: float | None) -> Percentile:
    return Percentile(q=0.95, value=value, low=low, high=high)


def test_between_the_rates_that_were_tried_nothing_was_measured() -> None:
    """However narrow the intervals: the knee may be anywhere between the last good and the first bad rate."""
    narrow = [spread(v, v * 0.999, v * 1.001) for v in (0.05, 0.08, 0.2, 0.4)]
    found = knee([100, 200, 400, 800], narrow, 0.1)
    assert found is not None
    assert (found.low, found.high) == (200, 400)


def test_each_end_of_the_knee_is_where_that_end_of_the_percentiles_crosses() -> None:
    """Upper ends cross between 100 and 200, lower ends between 400 and 500: a quarter of each way in logarithms."""
    limit, e = 1.0, math.e
    highs = [1 / e, e**3, e**3, e**3, e**4]
    lows = [1 / e**4, 1 / e**3, 1 / e**3, 1 / e, e**3]
    values = [1 / e, 1 / e, 1 / e, e, e**3]
    found = knee([100, 200, 300, 400, 500], [spread(*each) for each in zip(values, lows, highs, strict=True)], limit)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((125, 350, 425))


def test_ends_that_cross_nowhere_are_open() -> None:
    above = [spread(0.5, 0.4, 2), spread(0.6, 0.5, 3), spread(1.5, 0.7, 4)]
    found = knee([100, 200, 300], above, 1.0)
    assert found is not None
    assert (found.low, found.high) == (0.0, None)  # the lowest rate may be beyond the limit, the highest within it
    into_the_failed = [spread(0.5, 0.4, 0.6), spread(0.6, 0.5, None), spread(1.5, 1.2, None)]
    found = knee([100, 200, 300], into_the_failed, 1.0)
    assert found is not None
    assert (found.low or 0) < 120
    assert found.high == 300


def test_a_rate_without_an_interval_says_nothing_for_sure() -> None:
    few = [Percentile(q=0.95, value=value) for value in (0.01, 0.02, 0.5, 0.6)]
    found = knee([100, 200, 300, 400], few, 0.1)
    assert found is not None
    assert 200 < found.value < 300
    assert (found.low, found.high) == (0.0, None)
    found = knee([100, 200, 300, 400], [few[0], exact(0.02), few[2], exact(0.6)], 0.1)
    assert found is not None
    assert found.low == 200  # more load never helps, so that 100 is within the limit, too
    assert found.high == 300  # between the two curves nothing was measured


def test_a_percentile_at_the_limit_is_within_it() -> None:
    assert knee([100, 200], [exact(0.1), exact(0.1)], 0.1) == Estimate(value=200, low=200, high=None)


def test_a_line_takes_three_points_at_two_places() -> None:
    assert linear_fit([1, 1, 2], [1, 1, 3]).per_unit.value == pytest.approx(2)
    for x, y in (([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3])):
        with pytest.raises(ValueError, match="three points or more at two x or more"):
            linear_fit(x, y)


@pytest.mark.parametrize(
    ("values", "pooled"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([4.0, 5.0, 1.0, 0.0, 9.0], [2.5] * 4 + [9.0]),
        ([1.0, 3.0, 3.0, 2.0], [1.0] + [8 / 3] * 3),
    ],
)
def test_neighbours_that_fall_have_the_mean_of_all_of_them(values: list[float], pooled: list[float]) -> None:
    assert _never_falling(values) == pytest.approx(pooled)
