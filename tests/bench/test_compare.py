"""Stored results against today's: which are judged, how, and which are rejected with a reason."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aembed.bench.compare.changes import Finding
from aembed.bench.compare.reports import CONFIRM, compare
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.one_at_a_time import Micro
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Objective, Steps, Traffic
from tests.bench.reports import COST, HERE, around, memory, micro, report, response

ELSEWHERE = replace(HERE, machine="there", cpu="slow", cores=64)


def findings(before: Report, after: Report) -> dict[str, Finding]:
    return {change.metric: change.finding for change in compare([before], [after]).changes}


def reason(before: Report, after: Report) -> str:
    comparison = compare([before], [after])
    assert comparison.changes == ()
    assert comparison.exit_code == 3
    (sentence,) = comparison.unjudged
    return sentence


@pytest.mark.parametrize(
    ("seconds", "finding"),
    [(1.0, "same"), (1.05, "same"), (1.2, "regressed"), (0.8, "improved"), (1.1, "inconclusive")],
)
def test_times_must_differ_surely_by_more_than_a_tenth(seconds: float, finding: Finding) -> None:
    found = findings(report(micro=micro(1.0)), report(micro=micro(seconds)))
    assert found == {"time": finding, "CPU time": finding}


def test_the_interval_of_a_change_is_that_of_two_independent_estimates() -> None:
    """Logarithms 0.03 and 0.04 to either side: 0.05 for their difference."""
    (change, _) = compare(
        [report(micro=micro_between(math.exp(-0.03), 1.0, math.exp(0.03)))],
        [report(micro=micro_between(1.2 * math.exp(-0.04), 1.2, 1.2 * math.exp(0.04)))],
    ).changes
    assert change.change is not None
    assert change.change.value == pytest.approx(0.2)
    assert change.change.low == pytest.approx(1.2 * math.exp(-0.05) - 1)
    assert change.change.high == pytest.approx(1.2 * math.exp(0.05) - 1)


def micro_between(low: float, value: float, high: float) -> Micro:
    between = Estimate(value=value, low=low, high=high)
    return replace(micro(value), wall=between, cpu=between)


def test_times_are_in_units_of_a_fixed_calculation() -> None:
    slower_today = report(micro=micro(1.2), canary=0.012)
    (change, _) = compare([report(micro=micro(1.0))], [slower_today]).changes
    assert change.finding == "same"
    assert change.before == pytest.approx(1.2)
    assert change.note == "the earlier time x 1.200, as the machine's speed"


def test_an_alarm_from_another_day_asks_for_a_comparison_of_both() -> None:
    assert compare([report(micro=micro(1))], [report(micro=micro(2))]).notes == (CONFIRM,)
    assert compare([report(cost=COST)], [report(cost=COST)]).notes == ()


def test_counts_are_compared_for_equality_on_any_machine() -> None:
    before, after = report(cost=COST), report(cost=replace(COST, tasks=2.0, calls=40.0, timers=1.0), where=ELSEWHERE)
    assert findings(before, after) == {
        "tasks": "regressed",
        "callbacks": "same",
        "timers": "regressed",  # from none
        "threads": "same",
        "calls": "improved",
    }
    assert compare([before], [after]).exit_code == 1


def test_counts_of_an_operation_that_varies_are_no_figures() -> None:
    varies = report(cost=replace(COST, exact=False))
    assert reason(varies, varies).endswith("the earlier run is ok: it has no figures")


@pytest.mark.parametrize(
    ("size", "finding"), [(1009.0, "same"), (1015.0, "regressed"), (991.0, "same"), (985.0, "improved")]
)
def test_sizes_may_differ_by_a_hundredth(size: float, finding: Finding) -> None:
    assert findings(report(memory=memory(1000.0)), report(memory=memory(size))) == {"memory": finding}


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [(0.1, 0.2, "regressed"), (0.2, 0.1, "improved"), (0.1, None, "regressed"), (None, 0.1, "improved")],
)
def test_a_percentile_among_failed_requests_is_worse_than_any(
    before: float | None, after: float | None, finding: Finding
) -> None:
    assert findings(report(response=response(before)), report(response=response(after))) == {"response p99": finding}


def traffic(good: float) -> Traffic:
    counts = {"offered": 100, "started": 100, "ok": 100, "failed": 0, "wrong": 0, "timed_out": 0, "unfinished": 0}
    rates = {"offered_rate": 100.0, "achieved_rate": 100.0, "good_rate": good, "seconds": 1.0}
    return Traffic(**counts, **rates, peak_in_flight=1, peak_backlog=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("good", "finding"), [(100.0, "same"), (90.0, "same"), (70.0, "regressed"), (130.0, "improved")]
)
def test_less_is_worse_for_rates(good: float, finding: Finding) -> None:
    before, after = (replace(report(micro=micro(1)), micro=None, traffic=traffic(rate)) for rate in (100.0, good))
    assert findings(before, after) == {"good rate": finding}


def test_a_knee_that_moved_down_is_a_regression() -> None:
    def knee(rate: float) -> Report:
        steps = Steps(objective=Objective(seconds=0.1), steps=(), knee=around(rate))
        return replace(report(micro=micro(1)), mode="steps", micro=None, traffic=traffic(1.0), steps=steps)

    assert findings(knee(1000), knee(500)) == {"knee": "regressed"}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (
            report(micro=micro(1)),
            report(micro=micro(1), where=ELSEWHERE),
            "times are not compared: 2 x fast (here) then, 64 x slow (there) now",
        ),
        (
            report(micro=micro(1)),
            report(micro=micro(1), where=replace(HERE, loop="asyncio")),
            "times are not compared: CPython 3.11.7 on uvloop 0.22.1 then, CPython 3.11.7 on asyncio now",
        ),
        (
            report(cost=COST),
            report(cost=COST, where=replace(HERE, python="CPython 3.12.1")),
            "counts are not compared: CPython 3.11.7 on uvloop 0.22.1 then, CPython 3.12.1 on uvloop 0.22.1 now",
        ),
        (
            report(response=response(0.1)),
            report(response=response(0.1), canary=0.02),
            "times under load are not compared: the machine itself took +100% for the same calculation",
        ),
        (
            report(micro=micro(1)),
            report(micro=micro(1), verdict=Verdict(state="invalid", reasons=("too fast",))),
            "the later run is invalid: too fast",
        ),
        (report(response=response(None)), report(response=response(None)), "among failed requests in both runs"),
        (report(micro=micro(1)), report(name="other", micro=micro(1)), "micro embed: only in before"),
    ],
)
def test_reports_that_cannot_be_judged_are_rejected_with_the_reason(before: Report, after: Report, why: str) -> None:
    assert why in compare([before], [after]).unjudged[0]


def test_a_figure_without_an_interval_says_nothing() -> None:
    bare = replace(micro(1), wall=Estimate(value=1), cpu=Estimate(value=1))
    sentences = compare([report(micro=bare)], [report(micro=micro(2))]).unjudged
    assert [sentence.partition("embed: ")[2] for sentence in sentences] == [
        "time: no interval on both sides; measure longer, or in more processes",
        "CPU time: no interval on both sides; measure longer, or in more processes",
    ]


def test_cases_are_matched_by_their_parameters() -> None:
    before = [report(parameters={"batch": size}, micro=micro(size)) for size in (1, 2)]
    after = [report(parameters={"batch": size}, micro=micro(size)) for size in (3, 2, 1)]
    comparison = compare(before, after, names=("main", "tree"))
    assert [(change.parameters, change.finding) for change in comparison.changes if change.metric == "time"] == [
        ({"batch": 2}, "same"),
        ({"batch": 1}, "same"),
    ]
    assert comparison.unjudged == ("micro embed(batch=3): only in tree",)


def test_a_figure_that_is_new_is_named() -> None:
    assert "tasks: not in the earlier run" in " ".join(
        compare([report(micro=micro(1))], [replace(report(micro=micro(1)), cost=COST)]).unjudged
    )


def test_a_run_that_fails_altogether_is_a_regression() -> None:
    before = replace(report(response=response(0.1)), traffic=traffic(100.0))
    verdict = Verdict(state="failed", reasons=("0 of 100 requests were good",))
    after = replace(report(response=response(None), verdict=verdict), traffic=traffic(0.0))
    found = compare([before], [after])
    assert found.exit_code == 1
    (rate,) = [change for change in found.changes if change.metric == "good rate"]
    assert (rate.finding, rate.change) == ("regressed", Estimate(value=-1.0, low=-1.0, high=-1.0))


@pytest.mark.parametrize(
    ("canary", "compared"), [(1.0, True), (1.1, True), (1.11, False), (1 / 1.1, True), (0.9, False)]
)
def test_a_machine_may_differ_by_a_tenth_for_times_that_wait(canary: float, compared: bool) -> None:
    before, after = report(response=response(0.1), canary=1.0), report(response=response(0.1), canary=canary)
    assert bool(compare([before], [after]).changes) == compared
