"""Findings from few pairs, and alarms among many benchmarks."""

from __future__ import annotations

import math

import pytest

from aembed.bench.compare.changes import Change, Comparison, Finding, Rule, adjust, judge_pairs
from aembed.bench.model.estimates import Estimate

RULE = Rule()


def pairs(change: float, scatter: float = 0.002) -> list[float]:
    return [math.log1p(change) + sign * scatter for sign in (-1.0, 1.0, -0.5, 0.5, -1.5, 1.5)]


@pytest.mark.parametrize(
    ("change", "finding"),
    [(0.1, "regressed"), (0.03, "regressed"), (-0.1, "improved"), (0.0, "same"), (0.019, "same"), (-0.019, "same")],
)
def test_a_change_surely_beyond_the_minimum_effect_is_reported(change: float, finding: Finding) -> None:
    estimate, found, _, _ = judge_pairs(pairs(change), RULE)
    assert found == finding
    assert estimate.value == pytest.approx(change)


@pytest.mark.parametrize("change", [0.0, 0.03, 0.08])
def test_too_much_scatter_is_inconclusive(change: float) -> None:
    assert judge_pairs(pairs(change, scatter=0.1), RULE)[1] == "inconclusive"


def test_one_pair_says_nothing() -> None:
    assert judge_pairs([0.5], RULE) == (Estimate(value=math.expm1(0.5)), "inconclusive", 1.0, None)


def test_pairs_that_agree_to_the_last_digit_are_certain() -> None:
    assert judge_pairs([0.0] * 6, RULE)[1] == "same"
    assert judge_pairs([0.05] * 6, RULE)[1] == "regressed"


def test_the_p_value_is_that_of_students_t() -> None:
    """Mean log1p(0.02) + 0.01 with a standard error of 0.01: t = 1, with the closed form for 3 degrees of freedom."""
    deviation = 0.01 * math.sqrt(4) * math.sqrt(3 / 4)
    logs = [math.log1p(0.02) + 0.01 + sign * deviation for sign in (-1, 1, -1, 1)]
    ratio = 1 / math.sqrt(3)
    expected = 0.5 - (ratio / (1 + ratio**2) + math.atan(ratio)) / math.pi
    assert judge_pairs(logs, RULE)[2] == pytest.approx(expected)


def change(p_value: float | None, finding: Finding) -> Change:
    figures = {"before": 1.0, "after": 1.1, "change": Estimate(value=0.1)}
    return Change(name="x", parameters={}, metric="time", unit="s", finding=finding, p_value=p_value, **figures)  # type: ignore[arg-type]


def test_one_alarm_among_many_benchmarks_must_be_surer() -> None:
    alone = adjust([change(0.005, "regressed")], RULE)
    assert alone[0].finding == "regressed"
    among = adjust([change(0.005, "regressed"), *[change(0.9, "same")] * 9, change(None, "same")], RULE)
    assert among[0].finding == "inconclusive"
    assert among[0].p_value == pytest.approx(0.05)
    assert among[1:] == (*[change(1.0, "same")] * 9, change(None, "same"))


@pytest.mark.parametrize(
    ("findings", "state", "code"),
    [
        (["same", "improved"], "ok", 0),
        (["same", "regressed", "inconclusive"], "regressed", 1),
        (["same", "inconclusive"], "inconclusive", 3),
        ([], "invalid", 3),
    ],
)
def test_a_comparison_is_as_bad_as_its_worst_finding(findings: list[Finding], state: str, code: int) -> None:
    comparison = Comparison(before="a", after="b", changes=tuple(change(None, finding) for finding in findings))
    assert (comparison.state, comparison.exit_code) == (state, code)


def test_the_interval_and_the_detectable_slowdown_are_those_of_students_t() -> None:
    """Four pairs around log1p(0.1), with a standard error of 0.01; t of 3 degrees from a table."""
    deviation = 0.01 * math.sqrt(4) * math.sqrt(3 / 4)
    logs = [math.log1p(0.1) + sign * deviation for sign in (-1, 1, -1, 1)]
    estimate, _, _, detectable = judge_pairs(logs, RULE)
    assert estimate.value == pytest.approx(0.1)
    assert estimate.low == pytest.approx(1.1 * math.exp(-3.182446305 * 0.01) - 1)
    assert estimate.high == pytest.approx(1.1 * math.exp(3.182446305 * 0.01) - 1)
    assert detectable == pytest.approx(1.02 * math.exp((4.540702859 + 0.978472312) * 0.01) - 1)


def test_two_pairs_are_enough_for_an_interval() -> None:
    """One degree of freedom: 12.706205 standard errors."""
    estimate, finding, _, detectable = judge_pairs([0.0, 0.02], RULE)
    assert estimate.low == pytest.approx(math.expm1(0.01 - 12.706205 * 0.01))
    assert estimate.high == pytest.approx(math.expm1(0.01 + 12.706205 * 0.01))
    assert finding == "inconclusive"
    assert detectable is not None


@pytest.mark.parametrize(
    ("p_value", "finding"), [(0.0099, "regressed"), (0.01, "inconclusive"), (0.02, "inconclusive")]
)
def test_an_alarm_is_surer_than_alpha(p_value: float, finding: Finding) -> None:
    (found,) = adjust([change(p_value, "regressed")], RULE)
    assert found.finding == finding
    assert adjust([change(p_value, "same")], RULE)[0].finding == "same"


def test_within_the_tolerance_means_below_five_percent() -> None:
    """With an error of one in a hundred thousand: 2 % and more are news, up to 5 % are none, in both directions."""
    found = [judge_pairs(pairs(change, scatter=1e-7), RULE)[1] for change in (0.0199, 0.0201, -0.0195, -0.021)]
    assert found == ["same", "regressed", "same", "improved"]
    wide = Rule(min_effect=0.1, tolerance=0.05)
    assert [judge_pairs(pairs(change, scatter=1e-7), wide)[1] for change in (0.049, 0.051)] == ["same", "inconclusive"]


def test_an_interrupted_comparison_is_inconclusive_unless_something_regressed() -> None:
    def state(*findings: Finding) -> str:
        made = tuple(change(None, finding) for finding in findings)
        return Comparison(before="a", after="b", changes=made, interrupted=True).state

    assert (state("same"), state("regressed"), state()) == ("inconclusive", "regressed", "invalid")
