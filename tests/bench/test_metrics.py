"""Which numbers of a report are compared with another day's, and how."""

from __future__ import annotations

from dataclasses import replace

from aembed.bench.compare.metrics import Metric, canary, figures_of
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.result import Report, State, Verdict
from aembed.bench.model.under_load import Objective, Steps
from tests.bench.reports import COST, around, memory, micro, noise, report, response
from tests.bench.test_compare import traffic


def shown(made: Report) -> list[tuple[str, str, str, float | None, bool, bool]]:
    """Name, unit, nature, value, whether more is better, and whether it needs an interval."""
    return [
        (f.metric, f.unit, f.nature, None if f.value is None else f.value.value, f.more_is_better, f.interval)
        for f in figures_of(made)
    ]


def test_figures_of_every_part() -> None:
    assert shown(report(micro=micro(0.5))) == [
        ("time", "s", "computing", 0.5, False, True),
        ("CPU time", "s", "computing", 0.5, False, True),
    ]
    assert shown(replace(report(response=response(0.1)), traffic=traffic(90.0))) == [
        ("response p99", "s", "waiting", 0.1, False, True),
        ("good rate", "1/s", "waiting", 90.0, True, False),
    ]
    assert shown(report(response=response(None))) == [("response p99", "s", "waiting", None, False, True)]
    assert shown(report(memory=replace(memory(1000.0), allocations=3.0))) == [
        ("memory", "B", "size", 1000.0, False, False),
        ("allocations", "", "size", 3.0, False, False),
    ]
    assert shown(report(cost=replace(COST, allocations=7.0))) == [
        ("tasks", "", "count", 1.0, False, False),
        ("callbacks", "", "count", 3.0, False, False),
        ("timers", "", "count", 0.0, False, False),
        ("threads", "", "count", 0.0, False, False),
        ("calls", "", "count", 41.0, False, False),
        ("allocations", "", "count", 7.0, False, False),
    ]
    assert shown(report(cost=replace(COST, exact=False))) == []


def test_only_the_knee_and_the_times_of_steps_are_compared() -> None:
    steps = Steps(objective=Objective(seconds=0.1), steps=(), knee=around(100.0))
    made = replace(report(), mode="steps", traffic=traffic(90.0), steps=steps)
    assert shown(made) == [("knee", "1/s", "waiting", 100.0, True, True)]
    assert shown(replace(made, steps=replace(steps, knee=None))) == []


def test_reports_without_a_result_have_no_figures() -> None:
    states: dict[State, int] = {
        "ok": 2,
        "failed": 2,
        "regressed": 2,
        "over budget": 2,
        "invalid": 0,
        "inconclusive": 0,
    }
    for state, count in states.items():
        assert len(figures_of(report(micro=micro(1), verdict=Verdict(state=state)))) == count


def test_intervals_of_percentiles_are_kept() -> None:
    (found,) = figures_of(report(response=response(0.1, share=0.5)))
    assert found.value == Estimate(value=0.1, low=0.05, high=0.15000000000000002)
    bare = Metric(metric="m", unit="", nature="count", value=None)
    assert (bare.more_is_better, bare.interval) == (False, False)


def test_the_machine_is_as_fast_as_at_its_best() -> None:
    made = report()
    assert canary(replace(made, before=noise(0.03), after=noise(0.02))) == 0.02
    assert canary(replace(made, before=noise(0.02), after=noise(0.03))) == 0.02
    assert canary(replace(made, before=noise(0.02), after=None)) == 0.02
    assert canary(replace(made, before=None, after=None)) == 1.0
