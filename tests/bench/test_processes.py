"""A load that several processes offer is the load that one would offer: how it is dealt out and merged."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from aembed import InputError, bench
from aembed.bench.load.breakdown import joined
from aembed.bench.load.pacer import clock_of
from aembed.bench.load.processes.children import Lost, ProcessResult
from aembed.bench.load.processes.job import work_on
from aembed.bench.load.processes.measure import Plan, job_of, progress_of
from aembed.bench.load.processes.merge import (
    merged_disturbances,
    merged_observed,
    merged_result,
    merged_work,
    shares_of,
)
from aembed.bench.load.processes.messages import Done, Tick, packed, unpacked
from aembed.bench.load.run import RunResult, execute
from aembed.bench.model.under_load import LoopUse, Stall
from aembed.bench.rows.columns import NEVER, OK, UNFINISHED, RunRows
from aembed.bench.settings import Progress, RunSettings
from aembed.testing import VirtualTimeLoop
from tests.bench import scenarios
from tests.loops import LoopFactory, run


def outcomes_of(case: bench.Case, plan: Plan, processes: int, *, why: bool = False) -> list[ProcessResult]:
    """The parent's view of each part, run in a separate loop on virtual time."""
    settings = RunSettings(processes=processes, keep=lambda _: None, why=why)
    found: list[ProcessResult] = []
    for number, schedule in enumerate(plan.schedules(processes)):
        ready = asyncio.Event()

        async def go(ready: asyncio.Event = ready) -> int:
            ready.set()
            return 1

        job = job_of(case, plan, settings, number, schedule)
        done, columns = run(work_on(job, schedule, ready=go, tick=lambda _: None, stop=asyncio.Event()))
        assert ready.is_set()
        received = msgspec.json.decode(msgspec.json.encode(done), type=Done)
        found.append((received, unpacked(packed(columns), received.columns)))
    return found


def single(measure: Callable[..., Any], **options: Any) -> RunRows:
    kept: list[RunRows] = []
    run(measure(keep=kept.append, **options))
    return kept[0]


def same(one: RunRows, table: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    columns = [one.rows.intended, one.rows.started, one.rows.done, one.rows.outcome]
    if one.texts is not None and one.characters is not None:
        columns += [one.texts, one.characters]
    assert len(columns) == len(table)
    for number, (expected, found) in enumerate(zip(columns, table, strict=True)):
        assert np.array_equal(expected, found), number


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("arrivals", [bench.poisson(rate=100), bench.gamma(rate=80, cv=1.3), bench.constant(rate=50)])
def test_truth_merged_rows_are_those_of_one_process(processes: int, arrivals: bench.Arrivals) -> None:
    """Same schedule, texts and law of the service: every start, answer, outcome and length, to the nanosecond."""
    [case] = scenarios.varied.cases()
    whole = single(bench.load, target=case, arrivals=arrivals, duration=3, seed=5)
    plan = Plan(name="", seconds=3, seed=5, times=arrivals.times(3, 5))
    outcomes = outcomes_of(case, plan, processes)
    result, table = merged_result(outcomes, plan.schedules(processes), plan.seconds)
    same(whole, table)
    assert result.rows.response.tolist() == whole.rows.response.tolist()


@pytest.mark.parametrize("processes", [2, 5])
def test_truth_merged_users_are_those_of_one_process(processes: int) -> None:
    """Each user's thinking times have their seed, in any process."""
    [case] = scenarios.ten_ms.cases()
    whole = single(bench.closed, target=case, users=10, think=0.1, duration=3, seed=5)
    plan = Plan(name="", seconds=3, seed=5, users=10, think=0.1)
    result, table = merged_result(outcomes_of(case, plan, processes), plan.schedules(processes), plan.seconds)
    same(whole, table)
    assert len(table[0]) > 100
    assert result.waited == pytest.approx(0.01 * len(table[0]), rel=0.02)
    assert result.thought + result.waited == pytest.approx(10 * 3)


def test_truth_merged_parts_are_those_of_one_process() -> None:
    [case] = scenarios.in_parts.cases()
    times = bench.poisson(rate=100)
    report: bench.Report = run(bench.load(case, arrivals=times, duration=3, seed=5, why=True))
    whole = report.breakdown
    plan = Plan(name="", seconds=3, seed=5, times=times.times(3, 5))
    dones = [outcome[0] for outcome in outcomes_of(case, plan, 3, why=True) if not isinstance(outcome, Lost)]
    merged = joined([done.breakdown for done in dones if done.breakdown is not None])
    assert whole is not None
    assert set(whole.mean) == {"db", "other"}
    assert (merged.requests, len(dones)) == (whole.requests, 3)
    assert merged.mean == pytest.approx(dict(whole.mean))
    assert list(merged.mean) == list(whole.mean)
    assert [slow.parts for slow in merged.slowest] == [slow.parts for slow in whole.slowest]
    assert [slow.at for slow in merged.slowest] == pytest.approx([slow.at for slow in whole.slowest])


DONE = Done(
    rows=0,
    columns=4,
    seconds=2.0,
    started=5.0,
    interrupted=False,
    ignored_cancellation=0,
    peak_in_flight=1,
    peak_backlog=2,
    failures=(),
    thought=0.0,
    waited=0.0,
    stalls=(),
    loop=LoopUse(seconds=2, cpu=0.5, queued=None, pings=10, slowest_ping=0.01),
    rss=((0.0, 100), (1.0, 120)),
    frozen=7,
    work=None,
    breakdown=None,
    pacer="timerfd",
    fallback=None,
    reasons=(),
    notes=(),
    possible_rate=None,
)


NO_ROWS = np.empty((4, 0), dtype=np.int64)


def test_requests_of_a_lost_process_are_unfinished() -> None:
    """Those that were due in the time of the others."""
    schedules = [np.array([0, 2_000_000_000]), np.array([1_000_000_000, 3_000_000_000])]
    table = np.array([[0], [10], [20], [OK]])
    result, merged = merged_result([(replace_done(rows=1), table), Lost("gone")], schedules, 4.0)
    assert merged.tolist() == [[0, 1_000_000_000], [10, NEVER], [20, NEVER], [OK, UNFINISHED]]
    assert [(failure.kind, failure.count) for failure in result.failures] == [("lost", 1)]
    assert result.seconds == 2.0
    shares = shares_of([(replace_done(rows=1), table), Lost("gone")], schedules)
    assert [(share.offered, share.valid) for share in shares] == [(1, True), (2, False)]


def replace_done(**changes: Any) -> Done:
    return msgspec.structs.replace(DONE, **changes)


def test_one_process_that_was_disturbed_voids_the_run() -> None:
    disturbed = replace_done(reasons=("the machine stopped",), notes=("slow",), possible_rate=100.0)
    found = merged_disturbances([(DONE, NO_ROWS), (disturbed, NO_ROWS), Lost("it ended")])
    assert found.reasons == ("process 2 of 3: the machine stopped", "process 3 of 3: it ended")
    assert found.notes == ("process 2 of 3: slow",)
    assert found.possible_rate == 300.0, "every process can offer as much as the slowest"
    assert merged_disturbances([(DONE, NO_ROWS)]).reasons == ()


def test_memory_and_loops_add_up() -> None:
    stall = Stall(at=1.0, seconds=0.1, cause="cpu", cpu=0.1, queued=0.0, line=None)
    other = replace_done(rss=((0.5, 1000), (2.0, 900)), stalls=(replace(stall, at=0.5),))
    seen = merged_observed([replace_done(stalls=(stall,)), other])
    assert seen.rss == ((0.5, 1100), (1.0, 1120), (2.0, 1020))
    assert [stall.at for stall in seen.stalls] == [0.5, 1.0]
    assert seen.loop == LoopUse(seconds=2, cpu=1.0, queued=None, pings=20, slowest_ping=0.01)
    assert merged_work([None, None]) is None


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"processes": 0}, "processes=0 must be 1 or more"),
        ({"processes": 2}, "processes=2 needs an async def or a scenario in a file or module"),
    ],
)
async def test_runs_that_cannot_be_dealt_out(options: Any, problem: str) -> None:
    async def local() -> None:
        pass

    with pytest.raises(InputError, match=problem):
        await bench.load(local, arrivals=bench.constant(10), duration=1, **options)


@pytest.mark.virtual_time
async def test_users_that_cannot_be_dealt_out() -> None:
    with pytest.raises(InputError, match="processes=3 must not be more than users=2"):
        await bench.closed(scenarios.ten_ms, users=2, duration=1, processes=3)
    with pytest.raises(InputError, match="think must be a number of seconds"):
        await bench.closed(scenarios.ten_ms, users=2, duration=1, processes=2, think=lambda _: 1.0)
    with pytest.raises(InputError, match="leave processes out"):
        await bench.versus({"a": scenarios.ten_ms, "b": scenarios.ten_ms}, arrivals=bench.constant(9), processes=2)


def test_arrivals_of_all_processes_follow_the_law_of_the_schedule() -> None:
    """Kolmogorov-Smirnov: the gaps of the union are exponential, those of one process of two are not."""
    from scipy.stats import kstest

    [case] = scenarios.ten_ms.cases()
    plan = Plan(name="", seconds=20, seed=3, times=bench.poisson(rate=100).times(20, 3))
    outcomes = outcomes_of(case, plan, 2)
    _, table = merged_result(outcomes, plan.schedules(2), plan.seconds)
    assert kstest(np.diff(table[1]) / 1e9, "expon", args=(0, 0.01)).pvalue > 0.05
    assert not isinstance(outcomes[0], Lost)
    assert kstest(np.diff(outcomes[0][1][1]) / 1e9, "expon", args=(0, 0.02)).pvalue < 0.001


def test_progress_is_that_of_all() -> None:
    told: list[Progress] = []
    tell = progress_of(Plan(name="", seconds=9, seed=0), told.append)
    assert tell is not None
    tell([Tick(10, 8, 1, 2, 0), Tick(20, 17, 0, 2, 1)], 1.5)
    now = told[0]
    assert (now.offered, now.done, now.errors, now.in_flight, now.backlog) == (30, 25, 1, 4, 1)
    assert now.p50 is now.p95 is None


@pytest.mark.parametrize(("factory", "real"), [(asyncio.new_event_loop, True), (VirtualTimeLoop, False)])
def test_processes_have_one_start_and_are_watched_where_their_clock_is_the_machines(
    factory: LoopFactory, real: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[int | None] = []
    commons: list[int] = []

    async def executed(driver: Any, seconds: float, settings: RunSettings, *, origin: int | None) -> RunResult:
        starts.append(origin)
        return await execute(driver, seconds, settings, origin=origin)

    async def ready() -> int:
        commons.append(clock_of(asyncio.get_running_loop())() + 1_000_000)
        return commons[0]

    monkeypatch.setattr(sys.modules["aembed.bench.load.processes.job"], "execute", executed)
    [case] = scenarios.ten_ms.cases()
    schedule = np.array([0])
    job = job_of(case, Plan(name="", seconds=0.001, seed=5, times=schedule), RunSettings(), 0, schedule)
    making = work_on(job, schedule, ready=ready, tick=lambda _: None, stop=asyncio.Event())
    done, _ = run(making, loop_factory=factory)
    assert starts == (commons if real else [None])
    assert (done.loop is not None, done.rows, done.pacer != "none") == (real, 1, True)
