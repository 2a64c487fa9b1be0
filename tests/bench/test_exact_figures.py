"""Figures of the runner against other ways to compute them: shares of a series, percentiles of a histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from scipy.stats import t as student

from aembed.bench import Goal
from aembed.bench.load.abort import SequentialTest
from aembed.bench.model.estimates import Distribution, Histogram, Percentile
from aembed.bench.rows.columns import NEVER
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.stats.shares import ShareSample
from aembed.bench.stats.special import beta_cdf, beta_quantile, binomial_quantile, t_cdf, t_quantile
from tests.bench.decided import decided

MS = 10**6


def test_parts_of_a_series_weigh_as_they_differ_and_depend_on_each_other() -> None:
    """Bad are 2 and 6 of 10 in turns, so that neighbours are as unlike as can be, and then twice each."""
    tail = 0.001
    turns = ShareSample.of_series([2, 6] * 10, [10] * 20, tail)
    size = 0.4 * 0.6 / (20 * 4 / 200**2 * 20 / 19)
    unsure = norm.isf(tail) / student.isf(tail, 19)
    assert (turns.bad, turns.count) == (80, 200)
    assert turns.size == pytest.approx(min(size, 200) * unsure**2)
    pairs = ShareSample.of_series([0, 0, 8, 8] * 5, [10] * 20, tail)
    neighbours = (10 - 9) / 20 + 1 / 20
    independent = (1 - neighbours) / (1 + neighbours)
    size = 0.4 * 0.6 / (20 * 16 / 200**2 * 20 / 19) * independent
    unsure = norm.isf(tail) / student.isf(tail, 19 * independent)
    assert pairs.size == pytest.approx(size * unsure**2)


@pytest.mark.parametrize(("seconds", "broken"), [(59, False), (60, True)])
def test_nothing_is_decided_in_the_first_minute(seconds: int, broken: bool) -> None:
    test = SequentialTest(Goal(metric="p95", limit=0.05), 0.01)
    for number in range(seconds):
        test.add(100 - number % 2, 100)
    assert test.is_broken() is broken


def test_the_next_look_is_when_the_run_is_half_as_long_again() -> None:
    test, looks = SequentialTest(Goal(metric="errors", limit=0.0), 0.01), []
    for second in range(1, 210):
        test.add(int(second > 200), 100)
        if test.is_broken():
            looks.append(second)
    assert looks == [203], "60, 90 and 135 see no error"


def distribution(*, independent: int | None = None, longest: float | None = 4.0, censored: int = 0) -> Distribution:
    """Of 1,000 times, 600 lie between 1 and 2 s and 400 between 2 and 4 s, less those that failed."""
    return Distribution(
        count=1000,
        censored=censored,
        mean=None,
        percentiles=(Percentile(q=0.5, value=1.75),),
        max=longest,
        histogram=Histogram(edges=(1.0, 2.0, 4.0), counts=(600, 400 - censored)),
        independent=independent,
    )


def test_a_percentile_that_is_there_is_exact() -> None:
    assert distribution().at(0.5).value == 1.75


@pytest.mark.parametrize(
    ("q", "value"), [(0.001, 1 + 0.5 / 600), (0.3, 1 + 299.5 / 600), (0.6, 1 + 599.5 / 600), (0.8, 2 + 2 * 199.5 / 400)]
)
def test_any_other_is_interpolated_in_its_bin(q: float, value: float) -> None:
    assert distribution().at(q).value == pytest.approx(value)


def test_it_is_no_longer_than_the_longest() -> None:
    assert distribution(longest=2.5).at(0.999).value == 2.5
    assert distribution(longest=None).at(0.9).value == pytest.approx(2 + 2 * 299.5 / 400)


def test_among_the_failed_it_has_no_value() -> None:
    found = distribution(censored=300, independent=1000).at(0.8)
    assert (found.value, found.low, found.high) == (None, 4.0, None)


def test_its_interval_is_that_of_the_bins_of_its_ranks() -> None:
    """1.96 * sqrt(1000 * 0.6 * 0.4) = 30.4 ranks on either side."""
    found = distribution(independent=1000).at(0.6)
    assert (found.low, found.high) == (1.0, 4.0)
    found = distribution(independent=1000).at(0.3)
    assert (found.low, found.high) == (1.0, 2.0)
    found = distribution(independent=50).at(0.8)
    assert (found.low, found.high) == (2.0, 4.0)
    few = distribution(independent=10).at(0.99)
    assert (few.low, few.high) == (None, None)
    unknown = distribution().at(0.3)
    assert (unknown.low, unknown.high) == (None, None)


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 95])
def test_what_is_no_percentile_is_named(q: float) -> None:
    with pytest.raises(ValueError, match=r"is not a percentile: give a share between 0 and 1, such as 0\.95"):
        distribution().at(q)


@pytest.mark.parametrize("slo", ["p99=1s", "p95=1s", "p99.9=1s"])
def test_an_objective_of_few_requests_is_judged(slo: str) -> None:
    """The percentile is the last of them."""
    for count in (1, 2, 20):
        assert decided(np.linspace(0.01, 0.02, count), slo)[0].state == "inconclusive"


def test_the_only_request_that_failed_is_all_of_them() -> None:
    assert [decided(np.array([took]), "errors=5%")[0].value for took in (np.inf, 0.01)] == [1.0, 0.0]


class Started:
    """Rows of which some were started, in this order."""

    def __init__(self, *started: int) -> None:
        self.started = np.array(started, dtype=np.int64)
        self.begun = self.started != NEVER

    def __len__(self) -> int:
        return len(self.started)


@pytest.mark.parametrize(
    ("arguments", "texts", "characters"),
    [
        (["abc", ["ab", "c"], []], [2, NEVER, 1, 0], [3, NEVER, 3, 0]),
        ([["ab", "c"], "abcd", "x"], [1, NEVER, 2, 1], [4, NEVER, 3, 1]),
    ],
)
def test_each_request_has_the_lengths_of_what_it_asked(
    arguments: list[Any], texts: list[int], characters: list[int]
) -> None:
    """The third row was started first, then the first, then the fourth; the second never."""
    found = lengths_of(Started(2 * MS, NEVER, 1 * MS, 3 * MS), iter([*arguments, "more"]))  # type: ignore[arg-type]
    assert [None if column is None else column.tolist() for column in found] == [texts, characters]


@pytest.mark.parametrize("odd", [5, ["a", 5], [5, "a"], ("a",), None, b"a", {"a": 1}])
def test_what_is_neither_a_text_nor_a_list_of_texts_has_no_length(odd: object) -> None:
    assert lengths_of(Started(1, 2), iter(["a", odd])) == (None, None)  # type: ignore[arg-type]
    assert lengths_of(Started(1, 2), None) == (None, None)  # type: ignore[arg-type]


def test_quantiles_undo_their_functions() -> None:
    for p in (0.001, 0.3, 0.5, 0.975):
        assert beta_cdf(beta_quantile(p, 3.0, 7.0), 3.0, 7.0) == pytest.approx(p, rel=1e-9)
        assert t_cdf(4, t_quantile(4, p)) == pytest.approx(p, rel=1e-9)
    assert [binomial_quantile(p, 10, 0.5) for p in (0.0005, 0.0010, 0.5, 0.9995)] == [0, 1, 5, 10]
