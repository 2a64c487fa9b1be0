"""Figures of the runner against other ways to compute them: evidence, dispersion, percentiles of a histogram."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate

from aembed.bench import Goal
from aembed.bench.load.abort import SequentialTest, dispersion, evidence, most_evidence
from aembed.bench.model.estimates import Distribution, Histogram, Percentile
from aembed.bench.rows.columns import NEVER
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.stats.special import beta_cdf, beta_quantile, binomial_quantile, t_cdf, t_quantile
from tests.bench.test_objectives import decided

MS = 10**6


@pytest.mark.parametrize(("bad", "count", "limit"), [(3, 20, 0.05), (0, 20, 0.05), (20, 20, 0.3), (7, 9, 0.5)])
def test_evidence_is_the_mean_likelihood_of_all_larger_shares(bad: int, count: int, limit: float) -> None:
    def likelihood(share: float) -> float:
        return share**bad * (1 - share) ** (count - bad)

    mean = integrate.quad(likelihood, limit, 1)[0] / (1 - limit)
    assert evidence(bad, count, limit) == pytest.approx(math.log(mean / likelihood(limit)), rel=1e-6)


@pytest.mark.parametrize(("bad", "count", "limit"), [(3, 20, 0.05), (20, 20, 0.3), (7, 9, 0.5)])
def test_the_most_evidence_is_that_of_the_share_that_was_seen(bad: int, count: int, limit: float) -> None:
    share = bad / count
    seen = bad * math.log(share / limit)
    if bad < count:
        seen += (count - bad) * math.log((1 - share) / (1 - limit))
    assert most_evidence(bad, count, limit) == pytest.approx(seen)
    assert most_evidence(bad, count, limit) >= evidence(bad, count, limit)


def test_there_is_no_evidence_up_to_the_limit_and_any_where_none_is_allowed() -> None:
    assert most_evidence(1, 20, 0.05) == 0.0
    assert most_evidence(1, 20, 0.0) == math.inf
    assert (evidence(0, 20, 0.0), evidence(1, 20, 0.0), most_evidence(0, 20, 0.0)) == (0.0, math.inf, 0.0)


def test_dispersion_compares_with_independent_requests() -> None:
    """Ten requests a second, of which 2 and 6 are bad in turns: 4 * n / (n - 1) over 0.4 * 0.6 * 10."""
    assert dispersion([(2, 10), (6, 10)] * 5) == pytest.approx(4 * 10 / 9 / 2.4)
    assert dispersion([(0, 10), (0, 10)]) == 1.0
    assert dispersion([(10, 10), (10, 10)]) == 1.0
    assert dispersion([(2, 10)]) == 1.0
    assert dispersion([(0, 0), (0, 0)]) == 1.0


@pytest.mark.parametrize(("seconds", "broken"), [(29, False), (30, True)])
def test_nothing_is_decided_in_the_first_half_minute(seconds: int, broken: bool) -> None:
    test = SequentialTest(Goal(metric="p95", limit=0.05), 0.01)
    for number in range(seconds):
        test.add(100 - number % 2, 100)
    assert test.is_broken() is broken


def test_requests_that_are_overdue_count_as_bad() -> None:
    test = SequentialTest(Goal(metric="p95", limit=0.05), 0.01)
    for number in range(60):
        test.add(number % 2, 10)
    assert [test.is_broken(), test.is_broken(1), test.is_broken(600)] == [False, False, True]


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
