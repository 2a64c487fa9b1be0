"""The highest rate within an objective: steps on virtual time, whose capacity is known."""

from __future__ import annotations

import asyncio
import itertools
import math
import sys
from dataclasses import replace

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.load.knee import _bounds
from aembed.bench.model.estimates import Percentile
from aembed.bench.model.result import Verdict
from tests.bench.subjects import CAPACITY, server
from tests.bench.test_tables_under_load import step

EVEN = bench.Objective(q=0.95, seconds=0.05)
virtual = pytest.mark.virtual_time


@virtual
@pytest.mark.parametrize("start", [30, 150])
async def test_the_knee_of_an_even_schedule_is_the_capacity(start: float) -> None:
    report = await bench.steps(server(), objective=EVEN, start=start, step_s=10, cv=0.001, precision=0.02)
    assert report.steps is not None
    knee = report.steps.knee
    assert report.mode == "steps"
    assert knee is not None
    assert knee.value == pytest.approx(CAPACITY, rel=0.03)
    assert [step.rate for step in report.steps.steps] == sorted(step.rate for step in report.steps.steps)
    assert report.verdict.state == "ok"
    assert report.response is not None
    assert (report.response.at(0.95).value or 1) <= 0.05  # the figures are those of a rate that is fine


@virtual
async def test_the_highest_rate_asked_for_may_be_within() -> None:
    report = await bench.steps(server(), objective=EVEN, start=10, highest=30, step_s=5)
    assert report.steps is not None
    assert [step.rate for step in report.steps.steps] == [10, 20, 30]
    assert report.steps.knee is not None
    assert report.steps.knee.high is None


@virtual
async def test_a_stop_ends_the_stairs() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(7, stop.set)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=5, stop=stop)
    assert report.steps is not None
    assert report.interrupted
    assert [step.rate for step in report.steps.steps] == [10, 20]


@virtual
async def test_a_step_the_machine_made_invalid_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([Verdict(state="invalid", reasons=("others ran",)), Verdict()] * 20)

    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return next(verdicts), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=5, highest=20)
    assert report.steps is not None
    assert [(step.rate, step.valid) for step in report.steps.steps] == [(10, True), (20, True)]


@virtual
async def test_the_limit_of_the_generator_ends_the_stairs(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([Verdict(), Verdict(state="invalid", reasons=("beyond what can be offered",), possible_rate=15)])

    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return next(verdicts), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)
    report = await bench.steps(server(), objective=EVEN, start=10, step_s=50)
    assert report.steps is not None
    assert [(step.rate, step.valid) for step in report.steps.steps] == [(10, True), (20, False)]
    assert (report.verdict.state, report.verdict.exit_code) == ("inconclusive", 3)
    assert report.verdict.reasons == (
        "at least 10/s: the knee lies beyond what could be offered, for beyond what can be offered",
    )
    assert report.verdict.possible_rate == 15
    assert report.notes == ()
    assert report.steps.knee is not None
    assert report.steps.knee.high is None


@virtual
async def test_a_server_that_is_never_within_has_no_knee() -> None:
    report = await bench.steps(lambda: anyio.sleep(1), objective=EVEN, start=16, step_s=30)
    assert report.steps is not None
    assert report.steps.knee is None
    assert {step.state for step in report.steps.steps} == {"broken"}


@virtual
async def test_fast_errors_do_not_make_a_rate_sustainable() -> None:
    calls = iter(range(10**6))

    async def call() -> None:
        if next(calls) % 10 == 0:
            raise ValueError("no")

    report = await bench.steps(call, objective=EVEN, start=16, step_s=30)
    assert report.steps is not None
    assert report.steps.knee is None


@virtual
@pytest.mark.parametrize(
    ("objective", "options", "told"),
    [
        (bench.Objective(q=95, seconds=0.1), {}, "objective.q=95 must lie between 0 and 1"),
        (bench.Objective(seconds=0), {}, "objective.seconds=0 must be"),
        (EVEN, {"start": -1}, "start=-1 must be .*requests/s"),
        (EVEN, {"precision": 0}, "precision=0 must be"),
        (EVEN, {"highest": 0.5}, "highest=0.5 must not be below start=1 requests/s"),
    ],
)
async def test_bad_objectives_are_named(objective: bench.Objective, options: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        await bench.steps(server(), objective=objective, **{"start": 1.0, **options})  # type: ignore[arg-type]


@virtual
async def test_a_rate_beyond_capacity_breaks_the_objective_although_no_interval_decides() -> None:
    """Each answer waits for the one before, so that all together are hardly more than one observation."""
    report = await bench.steps(server(), objective=EVEN, start=2 * CAPACITY, highest=2 * CAPACITY, step_s=20)
    assert report.steps is not None
    top = report.steps.steps[-1]
    assert (top.rate, top.state) == (2 * CAPACITY, "broken")
    assert report.steps.knee is not None
    assert report.steps.knee.high is not None
    assert report.steps.knee.high <= 2 * CAPACITY


@pytest.mark.parametrize("q", [0.95, 0.5])
@virtual
async def test_so_it_does_whatever_the_percentile(q: float) -> None:
    objective = bench.Objective(q=q, seconds=0.05)
    report = await bench.steps(server(), objective=objective, start=2 * CAPACITY, highest=2 * CAPACITY, step_s=20)
    assert report.steps is not None
    assert report.steps.steps[-1].state == "broken"


@pytest.mark.parametrize(
    ("errors", "every", "state"),
    [
        (None, None, "kept"),
        (None, 200, "kept"),
        (None, 50, "broken"),
        (0.01, None, "inconclusive"),
        (0.05, None, "kept"),
    ],
)
@virtual
async def test_errors_are_judged_as_measured_unless_a_share_is_stated(
    errors: float | None, every: int | None, state: str
) -> None:
    """300 good answers do not show that at most 1 % fail."""
    calls = itertools.count(1)

    async def call() -> None:
        await anyio.sleep(0.01)
        if every and next(calls) % every == 0:
            raise LookupError

    objective = bench.Objective(seconds=0.05, errors=errors)
    report = await bench.steps(call, objective=objective, start=30, highest=30, step_s=10, cv=0.001)
    assert report.steps is not None
    assert report.steps.steps[-1].state == state
    assert len(report.objectives) == (1 if errors is None else 2)


@pytest.mark.parametrize(
    ("low", "bound"), [(None, math.nextafter(0.05, 1.0)), (0.04, math.nextafter(0.05, 1.0)), (0.06, 0.06)]
)
def test_a_rate_that_surely_breaks_the_objective_lies_beyond_its_limit(low: float | None, bound: float) -> None:
    felt = Percentile(q=0.95, value=0.07, low=low, high=0.08)
    found = _bounds(replace(step(100, 0.07, state="broken"), objective=felt), EVEN)
    assert (found.value, found.low, found.high) == (0.07, bound, None)


@pytest.mark.parametrize(
    ("low", "high", "known"), [(0.01, 0.04, False), (0.01, 0.05, False), (0.01, 0.06, True), (None, 0.06, False)]
)
def test_a_rate_whose_errors_are_undecided_says_nothing_for_sure(low: float | None, high: float, known: bool) -> None:
    """Fast as it surely is, or unknown as it is."""
    felt = Percentile(q=0.95, value=0.02, low=low, high=high)
    found = _bounds(replace(step(100, 0.02, state="inconclusive"), objective=felt), EVEN)
    assert (found.low, found.high) == ((low, high) if known else (None, None))
    failing = replace(step(100, 0.02, state="inconclusive"), objective=felt, errors=0.011)
    assert (_bounds(failing, EVEN).value, found.value) == (None, 0.02)
