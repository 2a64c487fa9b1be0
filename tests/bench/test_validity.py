"""Which runs are believed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from aembed import bench
from aembed.bench.load import validity
from aembed.bench.load.drivers import OpenLoop
from aembed.bench.load.record import Record
from aembed.bench.load.run import RunResult
from aembed.bench.load.summary import Tally, distribution, traffic, windows
from aembed.bench.load.validity import disturbances, generator_cost, judge
from aembed.bench.model.under_load import Cause, Failure, LoopUse, Stall
from aembed.bench.rows.columns import FAILED, NEVER, OK, TIMED_OUT, UNFINISHED, WRONG, OutcomeCode
from aembed.bench.settings import RunSettings

USE = LoopUse(seconds=10, cpu=1, queued=0, pings=1000, slowest_ping=0.001)


def flown(lag: float, rate: int = 100) -> RunResult:
    """Ten seconds of requests that all start so late."""
    record = Record()
    for i in range(rate * 10):
        at = round(i / rate * 1e9)
        record.add(at, at + round(lag * 1e9), at + round(lag * 1e9), OK)
    return RunResult(
        record=record,
        origin=0,
        seconds=10,
        interrupted=False,
        ignored_cancellation=0,
        peak_in_flight=1,
        peak_backlog=0,
        failures=(),
    )


async def verdict(
    run: RunResult, *, stalls: tuple[Stall, ...] = (), loop: LoopUse | None = USE, min_good: float = 0.99
) -> tuple[str, str, tuple[str, ...], float | None]:
    lag = distribution(run.rows.lag)
    shown = windows(run.rows, seconds=10, width=1)
    counts = traffic(Tally.of(run.rows), seconds=10, peak_in_flight=1, peak_backlog=0, failures=run.failures)
    settings = RunSettings(min_good=min_good)
    seen = await disturbances(run, lag=lag, windows=shown, stalls=stalls, loop=loop, settings=settings)
    found, notes = judge(run, counts, seen, settings)
    return found.state, "; ".join(found.reasons), notes, found.possible_rate


def stall(cause: Cause, seconds: float) -> Stall:
    return Stall(at=1, seconds=seconds, cause=cause, cpu=0, queued=0, line=None)


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request costs 10 us on this machine."""

    async def cost() -> float:
        return 1e-5

    monkeypatch.setattr(validity, "generator_cost", cost)


async def test_a_thread_that_waited_more_than_it_worked_was_late_by_the_machine(costs: None) -> None:
    use = replace(USE, cpu=0.06, queued=0.2)
    state, reasons, _, _ = await verdict(flown(0.02), loop=use)
    waited = "the loop's thread waited for a core longer than it worked: 0.2 s"
    assert (state, reasons) == ("invalid", f"p99 of the lag is 20 ms, and {waited}")
    blocked = (stall("blocked", 0.3),)
    assert (await verdict(flown(0.02), loop=use, stalls=blocked))[0] == "ok", "the subject's own calls blocked it"
    assert (await verdict(flown(0.02), loop=replace(use, cpu=0.3)))[0] == "ok", "the subject worked in it"


async def test_a_schedule_that_was_kept_is_fine() -> None:
    assert await verdict(flown(0.001)) == ("ok", "", (), None)


@pytest.mark.usefixtures("costs")
async def test_a_late_schedule_is_the_subjects_doing_while_the_generator_has_time() -> None:
    state, _, notes, _ = await verdict(flown(0.5))
    assert state == "ok"
    assert notes == (
        "p99 of the lag is 500 ms: the subject holds up the loop it runs in; its thread used 10% of a core",
    )


@pytest.mark.usefixtures("costs")
async def test_beyond_its_capacity_a_run_is_invalid_and_names_the_possible_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(validity, "MAX_GENERATOR_SHARE", 0.005)
    state, reason, _, possible = await verdict(flown(0.5, rate=1000))
    assert state == "invalid"
    assert possible == pytest.approx(500)
    assert reason == "1,000 requests/s are beyond what this machine can offer; it can do 500/s"


@pytest.mark.parametrize(("cost", "state"), [(0.005, "ok"), (0.00501, "invalid")])
async def test_the_generator_may_take_half_of_its_thread(
    cost: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 100 requests a second: 5 ms each are half of it."""

    async def costs() -> float:
        return cost

    monkeypatch.setattr(validity, "generator_cost", costs)
    found, _, _, possible = await verdict(flown(0.5))
    assert found == state
    assert possible == (None if state == "ok" else pytest.approx(99.8, rel=0.001))


@pytest.mark.usefixtures("costs")
@pytest.mark.parametrize(("lag", "noted"), [(0.0095, False), (0.01, False), (0.0105, True)])
async def test_a_schedule_is_kept_within_ten_milliseconds(lag: float, noted: bool) -> None:
    _, _, notes, _ = await verdict(flown(lag))
    assert bool(notes) == noted


@pytest.mark.parametrize(("queued", "state"), [(0.99, "ok"), (1.0, "ok"), (1.01, "invalid")])
async def test_a_tenth_of_a_run_may_be_spent_waiting_for_a_core(queued: float, state: str) -> None:
    assert (await verdict(flown(0.001), loop=replace(USE, queued=queued)))[0] == state


@pytest.mark.parametrize(("stood", "state"), [(0.049, "ok"), (0.05, "ok"), (0.051, "invalid")])
async def test_the_machine_may_stand_still_for_half_a_percent(stood: float, state: str) -> None:
    assert (await verdict(flown(0.001), stalls=(stall("descheduled", stood / 2),) * 2))[0] == state


@pytest.mark.usefixtures("costs")
async def test_places_that_are_all_taken_are_no_fault_of_the_subjects_loop() -> None:
    _, _, notes, _ = await verdict(replace(flown(0.5), peak_in_flight=10_000))
    assert notes == ("all 10000 places (max_in_flight) were taken, and requests waited for one",)
    _, _, notes, _ = await verdict(replace(flown(0.5), peak_in_flight=9_999))
    assert notes[0].startswith("p99 of the lag is 500 ms")


@pytest.mark.parametrize(
    ("cause", "state"), [("descheduled", "invalid"), ("cpu", "ok"), ("blocked", "ok"), ("unknown", "ok")]
)
async def test_only_the_machine_voids_a_run(cause: Cause, state: str) -> None:
    found, reason, _, _ = await verdict(flown(0.001), stalls=(stall(cause, 0.2),))
    assert found == state
    assert reason == ("the machine stopped, or ran other programs, for 0.2 s of 10 s" if state == "invalid" else "")
    assert (await verdict(flown(0.001), stalls=(stall(cause, 0.03),)))[0] == "ok"  # too little to matter


async def test_a_thread_that_had_to_queue_voids_a_run() -> None:
    state, reason, _, _ = await verdict(flown(0.001), loop=replace(USE, queued=2.0))
    assert (state, reason) == ("invalid", "the loop's thread waited for a core for 2 s of 10 s")


async def test_on_virtual_time_there_is_no_machine() -> None:
    assert (await verdict(flown(0.5), loop=None))[0] == "ok"


async def test_the_cost_of_a_request_is_measured() -> None:
    assert 0 < await generator_cost() < 0.1


@pytest.mark.virtual_time
async def test_requests_that_went_on_are_a_note() -> None:
    _, _, notes, _ = await verdict(replace(flown(0.001), ignored_cancellation=3), loop=None)
    assert notes == ("3 requests went on although they were cancelled",)


async def test_a_rate_no_machine_offers_is_invalid() -> None:
    """A hundred million requests a second: no duration is so short that it could be done."""

    async def nothing() -> None: ...

    report = await bench.load(nothing, arrivals=bench.constant(1e8), duration=0.0003)
    assert report.verdict.state == "invalid"
    assert report.verdict.possible_rate is not None
    assert report.verdict.possible_rate < 1e8
    assert report.verdict.exit_code == 3


def test_rows_of_nothing_say_nothing() -> None:
    found = asyncio.run(verdict(replace(flown(0.1), record=Record())))
    assert found[:2] == ("inconclusive", "no request was due within 10 s")


def failing(count: int, outcome: OutcomeCode = FAILED) -> RunResult:
    """A thousand requests, so many of which come to this end."""
    record = Record()
    for i in range(1000):
        at = i * 10_000_000
        record.add(at, at, at, outcome if i < count else OK)
    return replace(flown(0.001), record=record, failures=(Failure(kind="LookupError", count=count, example="gone"),))


@pytest.mark.parametrize("outcome", [FAILED, WRONG, TIMED_OUT])
@pytest.mark.parametrize(
    ("bad", "min_good", "state"),
    [
        (1000, 0.99, "failed"),
        (290, 0.99, "failed"),
        (11, 0.99, "failed"),
        (10, 0.99, "ok"),
        (5, 0.99, "ok"),
        (5, 1.0, "failed"),
        (0, 1.0, "ok"),
        (1000, 0.0, "ok"),
    ],
)
async def test_a_run_with_too_few_good_requests_has_failed(
    bad: int, min_good: float, state: str, outcome: OutcomeCode
) -> None:
    assert (await verdict(failing(bad, outcome), min_good=min_good))[0] == state


async def test_a_failed_run_names_the_kinds_with_their_counts() -> None:
    _, reason, _, _ = await verdict(failing(290))
    assert reason == "710 of 1,000 requests were good (71 %, at least 99 % must be): 290 LookupError"


@pytest.mark.parametrize(("count", "said"), [(290, "290 wrong results"), (1, "1 wrong result")])
async def test_wrong_results_are_named_by_the_first_problem(count: int, said: str) -> None:
    wrong = Failure(kind="wrong result", count=count, example="HTTP status 404")
    _, reason, _, _ = await verdict(replace(failing(290), failures=(wrong,)))
    assert reason.endswith(f" must be): {said}, the first: HTTP status 404")


async def test_the_commonest_kinds_are_named() -> None:
    kinds = tuple(Failure(kind=f"Error{n}", count=10 - n, example="") for n in range(7))
    _, reason, _, _ = await verdict(replace(failing(290), failures=kinds))
    assert reason.endswith(": 10 Error0, 9 Error1, 8 Error2, 7 Error3, 6 Error4 and 2 other kinds")


@pytest.mark.parametrize(
    ("outcome", "state"), [(FAILED, "failed"), (WRONG, "failed"), (TIMED_OUT, "invalid"), (OK, "invalid")]
)
async def test_a_machine_in_the_way_excuses_missing_answers_and_no_errors(outcome: OutcomeCode, state: str) -> None:
    found, _, notes, _ = await verdict(failing(500, outcome), stalls=(stall("descheduled", 0.2),))
    assert found == state
    assert ("the machine stopped, or ran other programs, for 0.2 s of 10 s" in notes) == (state == "failed")


@pytest.mark.parametrize(
    ("kinds", "end"),
    [(1, ": 10 Error0"), (5, ", 6 Error4"), (6, ", 6 Error4 and 1 other kinds")],
)
async def test_five_kinds_are_named(kinds: int, end: str) -> None:
    named = tuple(Failure(kind=f"Error{n}", count=10 - n, example="") for n in range(kinds))
    _, reason, _, _ = await verdict(replace(failing(290), failures=named))
    assert reason.endswith(end)


@pytest.mark.usefixtures("costs")
@pytest.mark.parametrize(("cpu", "busy"), [(None, ""), (5.0, "; its thread used 50% of a core")])
async def test_requests_never_started_are_reported_with_the_use_of_the_loop(cpu: float | None, busy: str) -> None:
    record = Record()
    for i in range(1000):
        at = i * 10_000_000
        record.add(at, NEVER if i % 50 == 0 else at, NEVER if i % 50 == 0 else at, UNFINISHED if i % 50 == 0 else OK)
    run = replace(flown(0.001), record=record)
    state, _, notes, _ = await verdict(run, loop=replace(USE, cpu=cpu), min_good=0.5)
    assert state == "ok"
    assert notes == (f"more than a percent of all never started: the subject holds up the loop it runs in{busy}",)


async def test_the_cost_of_a_request_is_the_best_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[int, int, float]] = []
    times = iter([0.0, 8.0, 10.0, 14.0, 20.0, 26.0])

    async def execute(driver: OpenLoop, seconds: float, _: RunSettings) -> None:
        schedule = driver._times.tolist()
        runs.append((len(schedule), schedule[1] - schedule[0], seconds))

    monkeypatch.setattr(validity, "execute", execute)
    monkeypatch.setattr(time, "thread_time", lambda: next(times))
    assert await generator_cost() == 4.0 / 2000
    monkeypatch.undo()
    assert runs == [(2000, 20_000, 0.04)] * 3


async def test_the_highest_rate_of_a_window_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cost() -> float:
        return 0.001

    monkeypatch.setattr(validity, "generator_cost", cost)
    record = Record()
    for i in range(1000):  # 600 in the first second, the others spread over the rest
        at = i * 10**9 // 600 if i < 600 else 10**9 + (i - 600) * 9 * 10**9 // 400
        record.add(at, at + 10**8, at + 10**8, OK)
    state, reason, _, possible = await verdict(replace(flown(0.001), record=record))
    assert (state, possible) == ("invalid", 500.0)
    assert reason == "600 requests/s are beyond what this machine can offer; it can do 500/s"
