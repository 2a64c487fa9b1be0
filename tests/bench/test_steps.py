"""Which rates are tried, and in what order: by what the generator and the subject do at each."""

from __future__ import annotations

import asyncio
import math
import random
import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.model.result import Verdict

room: Any = sys.modules["aembed.bench.load.steps"]
"""The package's attribute of that name is the function."""
pytestmark = pytest.mark.virtual_time
OBJECTIVE = bench.Objective(q=0.95, seconds=0.05)
INVALID = Verdict(state="invalid", reasons=("others ran",))


async def fast() -> None:
    await anyio.sleep(0.01)


async def slow() -> None:
    await anyio.sleep(0.06)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, int, Any]]:
    """Rate, seconds, seed and settings of each run."""
    runs: list[tuple[float, float, int, Any]] = []
    original = room.open_loop

    async def open_loop(target: Any, arrivals: Any, seconds: float, seed: int, settings: Any, **more: Any) -> Any:
        runs.append((arrivals.pieces[0].start, seconds, seed, settings))
        return await original(target, arrivals, seconds, seed, settings, **more)

    monkeypatch.setattr(room, "open_loop", open_loop)
    return runs


def verdicts(monkeypatch: pytest.MonkeyPatch, say: Callable[[int], Verdict]) -> None:
    """Give each run its verdict, by its number from 0."""
    numbers = iter(range(1000))

    def judge(*_: object, **__: object) -> tuple[Verdict, tuple[str, ...]]:
        return say(next(numbers)), ()

    monkeypatch.setattr(sys.modules["aembed.bench.load.reporting"], "judge", judge)


async def test_a_rate_is_doubled_until_it_breaks_and_the_gap_is_halved(tried: list[Any]) -> None:
    """Requests beyond 100 a second are slow; rates are halved in logarithms, to within a tenth."""

    async def call() -> None:
        await (fast() if tried[-1][0] <= 100 else slow())

    report = await bench.steps(call, objective=OBJECTIVE, start=30, step_s=60, precision=0.1, seed=5)
    low, high, expected = 60.0, 120.0, [30.0, 60.0, 120.0]
    while high / low > 1.1:
        expected.append(math.sqrt(low * high))
        low, high = (expected[-1], high) if expected[-1] <= 100 else (low, expected[-1])
    assert [rate for rate, *_ in tried] == pytest.approx(expected)
    assert [seed for _, _, seed, _ in tried] == [5 + i for i in range(len(expected))]
    assert {seconds for _, seconds, _, _ in tried} == {60}
    assert {settings.drain for *_, settings in tried} == {60}
    assert {settings.least_good for *_, settings in tried} == {0.99}
    assert report.steps is not None
    assert [step.rate for step in report.steps.steps] == sorted(expected)
    assert [step.state for step in report.steps.steps] == [
        "kept" if rate <= 100 else "broken" for rate in sorted(expected)
    ]
    assert report.verdict.state == "ok"
    assert report.pacing is not None
    assert report.pacing.seed == 5 + expected.index(low)  # of the highest rate that is fine
    assert report.pacing.arrivals == f"poisson(rate={low:g})"


async def test_progress_names_the_rate() -> None:
    seen: list[bench.Progress] = []
    await bench.steps(fast, objective=OBJECTIVE, start=20, highest=80, step_s=2.5, progress=seen.append)
    assert list(dict.fromkeys(now.part for now in seen)) == ["20.0/s", "40.0/s", "80.0/s"]


async def test_a_step_has_the_latency_at_its_rate() -> None:
    calls = iter(range(10**6))

    async def call() -> None:
        if next(calls) % 200 == 0:
            raise ValueError("no")
        await fast()

    report = await bench.steps(call, objective=OBJECTIVE, start=100, highest=100, step_s=40, cv=0.5)
    assert report.steps is not None
    (step,) = report.steps.steps
    assert (step.rate, step.state, step.valid) == (100, "kept", True)
    assert step.errors == pytest.approx(0.005, rel=0.02)
    assert (step.achieved, step.good) == pytest.approx((100, 99.5), rel=0.01)
    assert (step.p50, step.p95, step.p99, step.objective.value) == pytest.approx((0.01,) * 4, abs=1e-6)
    assert step.objective.q == 0.95
    assert report.pacing is not None
    assert report.pacing.arrivals == "gamma(rate=100, cv=0.5)"


@pytest.mark.parametrize(("start", "expected"), [(16, [16, 8, 4]), (15.9, [15.9, 7.95])])
async def test_downwards_a_step_has_twenty_requests_or_more(
    start: float, expected: list[float], tried: list[Any]
) -> None:
    report = await bench.steps(slow, objective=OBJECTIVE, start=start, step_s=5)
    assert [rate for rate, *_ in tried] == expected
    assert (report.verdict.state, report.verdict.exit_code) == ("over budget", 1)
    assert report.verdict.reasons == (
        f"the objective was met at no rate: at {expected[-1]:g}/s, the lowest, p95 was 60.0 ms, not 50.0 ms",
    )


async def test_a_rate_below_the_start_is_found(tried: list[Any]) -> None:
    async def call() -> None:
        await (fast() if tried[-1][0] <= 50 else slow())

    report = await bench.steps(call, objective=OBJECTIVE, start=100, step_s=20, precision=0.5)
    assert [rate for rate, *_ in tried] == pytest.approx([100, 50, math.sqrt(5000)])
    assert report.verdict.state == "ok"


async def test_a_step_that_is_never_valid_is_tried_three_times(
    tried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, lambda _: INVALID)
    report = await bench.steps(fast, objective=OBJECTIVE, start=10, step_s=5)
    assert [rate for rate, *_ in tried] == [10] * 3
    assert (report.verdict.state, report.verdict.reasons) == ("invalid", ("others ran",))
    assert report.steps is not None
    assert report.steps.knee is None
    assert [(step.rate, step.valid) for step in report.steps.steps] == [(10, False)]


async def test_a_rate_that_cannot_be_offered_is_not_tried_again(
    tried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts(monkeypatch, lambda _: Verdict(state="invalid", reasons=("too many",), possible_rate=5.0))
    await bench.steps(fast, objective=OBJECTIVE, start=10, step_s=5)
    assert [rate for rate, *_ in tried] == [10]


async def test_a_subject_that_never_breaks_is_given_up_after_twenty_four_doublings(
    tried: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a rate of which so many fit into nothing: the steps are as short as can be."""
    original = room.open_loop

    async def one_request(target: Any, arrivals: Any, seconds: float, *more: Any, **named: Any) -> Any:
        return await original(target, arrivals, 1.5 / arrivals.pieces[0].start, *more, **named)

    monkeypatch.setattr(room, "open_loop", one_request)
    await bench.steps(fast, objective=OBJECTIVE, start=1, step_s=1)
    rates = [rate for rate, *_ in tried]
    assert rates[:24] == [2**i for i in range(24)]
    assert max(rates) < 2**24


async def test_answers_are_waited_for_ten_times_the_objective(tried: list[Any]) -> None:
    long = bench.Objective(q=0.5, seconds=0.7, errors=0.2)
    await bench.steps(fast, objective=long, start=10, highest=10, step_s=5)
    await bench.steps(fast, objective=long, start=10, highest=10, step_s=5, drain=3.0)
    assert [(settings.drain, settings.least_good) for *_, settings in tried] == [(7.0, 0.8), (3.0, 0.8)]


@pytest.mark.parametrize(
    ("objective", "options", "told"),
    [
        (bench.Objective(q=0, seconds=1), {}, "objective.q=0 must lie between 0 and 1, such as 0.95"),
        (bench.Objective(q=1, seconds=1), {}, "objective.q=1 must lie between 0 and 1, such as 0.95"),
        (
            bench.Objective(seconds=1, errors=1),
            {},
            "objective.errors=1 must be a share from 0 to below 1, such as 0.01",
        ),
        (
            bench.Objective(seconds=1, errors=-0.1),
            {},
            "objective.errors=-0.1 must be a share from 0 to below 1, such as 0.01",
        ),
        (OBJECTIVE, {"step_s": 0}, "step_s=0 must be a finite number above 0 (seconds)"),
        (OBJECTIVE, {"precision": -1}, "precision=-1 must be a finite number above 0 (a share)"),
        (OBJECTIVE, {"min_good": 0.5}, "min_good is what objective.errors says here: leave it out"),
    ],
)
async def test_a_bad_option_of_steps_is_named(objective: bench.Objective, options: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        await bench.steps(fast, objective=objective, **{"start": 1.0, **options})
    assert str(caught.value) == told


async def test_no_error_may_be_allowed(tried: list[Any]) -> None:
    report = await bench.steps(fast, objective=bench.Objective(seconds=0.05, errors=0), start=10, highest=10, step_s=12)
    assert report.verdict.state == "ok"
    assert len(tried) == 1


async def test_a_stop_in_the_first_step_ends_all(tried: list[Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(3, stop.set)
    report = await bench.steps(slow, objective=OBJECTIVE, start=100, step_s=5, stop=stop)
    assert report.interrupted
    assert len(tried) == 1


LATE = 0.06
"""Seconds of a slow answer, above the objective."""


def at_the_limit(seed: int) -> Callable[[], Any]:
    """Five of a hundred answers are late: the p95 lies exactly at the objective."""
    dice = random.Random(seed)

    async def call() -> None:
        await anyio.sleep(LATE if dice.random() < 0.05 else 0.01)

    return call


async def test_a_step_exactly_at_the_limit_is_seldom_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured p95s lie on one side or the other; either decision is wrong, and one run in twenty may be."""
    monkeypatch.setattr(room, "MIN_REQUESTS", 1000)  # no lower rate is tried, of which nothing is asked
    states, measured = [], set()
    for seed in range(60):
        report = await bench.steps(at_the_limit(seed), objective=OBJECTIVE, start=40, highest=40, step_s=20, seed=seed)
        assert report.steps is not None
        (step,) = report.steps.steps
        states.append(step.state)
        measured.add((step.objective.value or 1) <= OBJECTIVE.seconds)
    assert measured == {True, False}
    assert sum(state != "inconclusive" for state in states) <= 0.1 * len(states)


async def test_twenty_slow_requests_do_not_break_an_objective_for_sure() -> None:
    """Two of twenty are late, by chance or not: a longer run would say."""
    calls = iter(range(10**6))

    async def call() -> None:
        await anyio.sleep(LATE if next(calls) % 10 == 0 else 0.01)

    report = await bench.steps(call, objective=OBJECTIVE, start=10, step_s=2, cv=0.001, at_least=10)
    assert report.steps is not None
    assert [step.state for step in report.steps.steps] == ["inconclusive"]
    assert report.steps.knee is None
    assert (report.verdict.state, report.verdict.exit_code) == ("inconclusive", 3)
    assert report.verdict.reasons[0].startswith("no rate surely keeps the objective: at 10.0/s, p95: 60.0 ms")
    assert "longer" in report.verdict.reasons[0]
    assert [judgement.state for judgement in report.objectives] == ["inconclusive"] * 2
