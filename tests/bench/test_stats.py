"""Statistics against closed forms, published examples, and by how often an interval holds the truth."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import binom

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.stats.sample import (
    cautious_size,
    effective_size,
    hodges_lehmann,
    holm,
    percentiles,
    processes_interval,
    t_interval,
    theil_sen,
)
from aembed.bench.stats.shares import ShareSample
from aembed.bench.stats.special import binomial_quantile

INF = math.inf


def autoregressive(dice: np.random.Generator, n: int, phi: float) -> NDArray[np.float64]:
    """A stationary AR(1) series with variance 1: each value is ``phi`` of the one before, and chance."""
    chance = dice.normal(size=n + 400) * math.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], chance)[400:])


def holds(estimate: Estimate | Percentile, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(values: list[float], q: float) -> None:
    (found,) = percentiles(values, [q])
    assert found.value in values
    assert sum(v <= found.value for v in values) >= q * len(values) - 1e-6
    assert sum(v < found.value for v in values) < q * len(values) + 1e-6


def test_the_interval_of_a_median_is_the_published_one() -> None:
    """Conover, Practical Nonparametric Statistics (1999), and every sign-test table: n = 20, 95 %: ranks 6 and 15."""
    (median,) = percentiles(np.arange(1, 21), [0.5], independent=True)
    assert median == Percentile(q=0.5, value=10, low=6, high=15)


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.99, 0.999]), st.sampled_from([0.025, 0.975]))
def test_binomial_quantiles_are_those_of_scipy_stats(n: int, q: float, p: float) -> None:
    assert binomial_quantile(p, n, q) == binom.ppf(p, n, q)


@pytest.mark.parametrize(("n", "q", "enough"), [(5, 0.5, False), (6, 0.5, True), (367, 0.99, False), (368, 0.99, True)])
def test_too_few_samples_have_no_interval(n: int, q: float, enough: bool) -> None:
    """The largest of n lies above the percentile with 1 - q^n: n = 368 for the 97.5 % bound of p99."""
    (found,) = percentiles(np.arange(n), [q], independent=True)
    assert (found.low is not None, found.high is not None) == (enough, enough)


def test_failures_make_percentiles_worse_and_never_vanish() -> None:
    times = [1.0] * 940 + [INF] * 60
    p50, p94, p95 = percentiles(times, [0.5, 0.94, 0.95], independent=True)
    assert p50 == Percentile(q=0.5, value=1, low=1, high=1)
    assert p94 == Percentile(q=0.94, value=1, low=1, high=None)  # the interval reaches into the failed
    assert p95 == Percentile(q=0.95, value=None, low=1, high=None)
    assert percentiles([INF] * 100, [0.5]) == (Percentile(q=0.5, value=None),)
    assert percentiles([], [0.5]) == (Percentile(q=0.5, value=None),)


def test_a_time_that_is_no_number_is_rejected() -> None:
    with pytest.raises(ValueError, match="a request without an answer is inf"):
        percentiles([1.0, math.nan])


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_intervals_of_percentiles_hold_the_truth_however_dependent_the_values(phi: float) -> None:
    """95 % of 200 series hold it; 89 % is four standard deviations below. See the next test for why it matters."""
    dice = np.random.default_rng(7)
    truths = {0.5: 0.0, 0.95: 1.6448536}
    found = [percentiles(autoregressive(dice, 4000, phi), list(truths)) for _ in range(200)]
    for i, truth in enumerate(truths.values()):
        assert sum(holds(each[i], truth) for each in found) >= 178


def test_taking_dependent_values_for_independent_ones_would_be_wrong() -> None:
    dice = np.random.default_rng(7)
    found = [percentiles(autoregressive(dice, 4000, 0.9), [0.5], independent=True)[0] for _ in range(100)]
    assert sum(holds(each, 0.0) for each in found) < 60


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_effective_size_is_the_closed_form_of_an_autoregressive_series(phi: float) -> None:
    dice = np.random.default_rng(1)
    sizes = [effective_size(autoregressive(dice, 20_000, phi)) for _ in range(10)]
    assert np.mean(sizes) == pytest.approx(20_000 * (1 - phi) / (1 + phi), rel=0.1)


def test_constant_values_need_no_correction() -> None:
    assert effective_size([3.0] * 100) == 100
    assert effective_size([]) == 0


@pytest.mark.parametrize("processes", [2, 3, 5, 8])
def test_the_processes_decide_how_wide_the_interval_is(processes: int) -> None:
    """Processes differ by 2 %, blocks by 1 %: a hundred blocks of one process say little about another."""
    dice = np.random.default_rng(5)

    def sample() -> list[NDArray[np.float64]]:
        return [dice.normal(level, 0.01, 30) for level in dice.normal(1.0, 0.02, processes)]

    found = [processes_interval(sample()) for _ in range(200)]
    assert sum(holds(each, 1.0) for each in found) >= 178


def test_an_interval_of_times_never_reaches_zero() -> None:
    """Two processes, one of which took three times as long: t of the times themselves would go far below 0."""
    found = processes_interval([[1.0, 1.0, 9.0], [3.0, 3.0, 3.0]])
    assert found.value == pytest.approx(math.sqrt(3))
    half = 12.706205 * math.log(3) / 2  # t of one degree of freedom, and the standard error of two logarithms
    assert (found.low, found.high) == pytest.approx((math.sqrt(3) / math.exp(half), math.sqrt(3) * math.exp(half)))
    assert processes_interval([[1.0, 2.0, 3.0]]).value == pytest.approx(2)
    assert processes_interval([[1.0, 2.0, 3.0]]).low is None


def test_t_interval_is_the_published_one() -> None:
    """Student (1908), Cushny and Peebles' data on sleep: mean 1.58 h, 95 %: 0.70 to 2.46 (R: t.test(extra ~ 1))."""
    more_sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = t_interval(more_sleep)
    assert (found.value, found.low, found.high) == pytest.approx((1.58, 0.7001142, 2.4598858))
    assert t_interval([3.0]) == Estimate(value=3)


def test_hodges_lehmann_is_the_published_one() -> None:
    """Hollander and Wolfe, Nonparametric Statistical Methods, example 4.1: permeability of the human chorioamnion."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    found = hodges_lehmann(early, term)
    assert (found.value, found.low, found.high) == pytest.approx((0.305, -0.15, 0.76))
    assert hodges_lehmann([1.0], [3.0]) == Estimate(value=2)


@given(st.floats(-100, 100), st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=20))
def test_hodges_lehmann_of_a_shifted_copy_is_the_shift(shift: float, values: list[float]) -> None:
    found = hodges_lehmann(values, [value + shift for value in values])
    assert found.value == pytest.approx(shift, abs=1e-9)
    assert holds(Estimate(value=0, low=(found.low or 0) - 1e-9, high=(found.high or 0) + 1e-9), shift)


@pytest.mark.parametrize("n", [30, 5000])
def test_a_slope_does_not_mind_wild_points(n: int) -> None:
    x = np.arange(n, dtype=float)
    y = 3 + 0.5 * x
    y[:: max(5, n // 200)] += 1e6
    found = theil_sen(x, y)
    assert found.value == pytest.approx(0.5)
    assert holds(found, 0.5)


def test_holm_multiplies_by_how_many_are_left() -> None:
    """By hand: 0.005 times 4, 0.01 times 3, 0.03 times 2, and 0.04 no less than that."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ranked: Callable[[int], float] = p_values.__getitem__
    order = sorted(range(len(p_values)), key=ranked)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_effective_size_is_that_of_the_first_sum_that_is_a_fifth_of_its_window() -> None:
    """By its definition (Sokal 1997), with sums in the order in which they are written."""
    values = autoregressive(np.random.default_rng(3), 500, 0.7)
    centred, n = values - values.mean(), len(values)
    covariance = [float(np.dot(centred[: n - lag], centred[lag:])) / n for lag in range(n)]
    time = 1.0
    for lag in range(n):
        time += 2 * covariance[lag] / covariance[0] if lag else 0.0
        if lag >= 5 * time:
            break
    assert effective_size(values) == pytest.approx(n / time)
    assert effective_size([1.0, 2.0, 1.0]) == 3  # too few for an estimate


def test_times_of_zero_are_taken_for_a_picosecond() -> None:
    assert processes_interval([[0.0], [0.0]]).value == pytest.approx(1e-12)


def test_no_percentile_has_an_interval_where_p90_has_none() -> None:
    """All slow requests came in one stretch: those beyond p95 look as if they were independent."""
    latencies = np.repeat(np.random.default_rng(2).random(14), 30)
    p90, p95, p99 = percentiles(latencies, (0.9, 0.95, 0.99))
    assert (p90.low, p95.low, p99.low) == (None, None, None)
    assert percentiles(latencies, (0.99,))[0].low is None
    assert None not in [found.low for found in percentiles(latencies, (0.9, 0.95, 0.99), independent=True)]


def test_a_share_of_few_groups_counts_for_less() -> None:
    assert ShareSample.of_groups([0] * 30, [100] * 30).size == pytest.approx(2756, abs=1)
    assert ShareSample.of_groups([0, 0], [1000, 1000]).size < 50
    alike, apart = ShareSample.of_groups([5, 6, 5, 4], [100] * 4), ShareSample.of_groups([0, 20, 0, 0], [100] * 4)
    assert (alike.bad, alike.count) == (apart.bad, apart.count) == (20, 400)
    assert apart.size < 10 < alike.size


def test_an_uncertain_effective_size_is_smaller() -> None:
    dice = np.random.default_rng(1)
    series = dice.random(4000) < 0.05
    assert 0.9 * effective_size(series) < cautious_size([series]) <= effective_size(series)
    clustered = np.repeat(series[:400], 10)
    assert cautious_size([series, clustered]) < 0.95 * effective_size(clustered)
    assert cautious_size([np.zeros(50)]) == 50
