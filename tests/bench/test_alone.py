"""One operation at a time, in fresh processes and here. Counts are equal everywhere; times are not asserted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from aembed import InputError, bench
from aembed.bench.discovery import fresh_case
from aembed.bench.micro import blocks
from aembed.bench.micro.process import alone
from aembed.bench.micro.timing import Blocks, _micro, measure
from aembed.bench.scenario import Case
from aembed.bench.subject import SubjectError
from tests.bench import scenarios
from tests.bench.subjects import here

Mode = Callable[..., Awaitable[bench.Report]]


FAST: dict[Mode, dict[str, Any]] = {
    bench.micro: {"processes": 2, "seconds": 0.02},
    bench.memory: {"operations": 480},
    bench.cost: {"operations": 10},
}


processes = pytest.mark.parametrize("mode", FAST, ids=lambda mode: mode.__name__)


def test_micro_in_fresh_processes() -> None:
    report = here(bench.micro(scenarios.documents.case(batch=10), **FAST[bench.micro]))
    found = report.micro
    assert found is not None
    assert (report.mode, report.name, report.parameters, report.notes) == ("micro", "documents", {"batch": 10}, ())
    assert found.processes == len(found.samples) == len(found.cpu_samples) == 2
    assert found.blocks >= 5
    for estimate in (found.wall, found.cpu):
        assert estimate.low is not None
        assert estimate.high is not None
        assert 0 < estimate.low <= estimate.value <= estimate.high
    assert bench.reports_from_json(bench.reports_to_json([report])) == (report,)


async def test_a_bare_callable_is_measured_here_without_an_interval() -> None:
    report = await bench.micro(scenarios.nothing, seconds=0.01)
    assert report.micro is not None
    assert report.micro.processes == 1
    assert report.micro.wall.low is None
    assert "decorate it with @bench.scenario" in report.notes[0]


@pytest.mark.parametrize(("measured", "state"), [(0, "invalid"), (1, "ok")])
def test_micro_reports_the_processes_measured_until_ctrl_c(
    measured: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> bench.Report:
        stop = asyncio.Event()
        done: list[int] = []

        async def alone(*_: object, **__: object) -> Blocks:
            if len(done) == measured:
                stop.set()
                await anyio.sleep_forever()
            done.append(1)
            return Blocks([1e-6] * 5, [1e-6] * 5, 5000, warm=True)

        monkeypatch.setattr(
            sys.modules["aembed.bench.micro.timing"], "alone", alone
        )  # the package has a function of that name
        return await bench.micro(scenarios.leaks, stop=stop)

    report = here(main())
    assert (report.interrupted, report.verdict.state) == (True, state)
    assert (report.micro.processes if report.micro else 0) == measured


@pytest.mark.parametrize(
    ("mode", "case", "told"),
    [
        (bench.micro, scenarios.fails, "ConnectionError: no such luck"),
        (bench.memory, scenarios.fails, "ConnectionError: no such luck"),
        (bench.cost, scenarios.fails, "ConnectionError: no such luck"),
        (bench.micro, scenarios.is_wrong, "wrong result: None is not a vector"),
        (bench.micro, scenarios.dies, "out of memory"),
    ],
)
def test_a_failing_operation_has_failed_and_is_named(mode: Mode, case: bench.Scenario, told: str) -> None:
    report = here(mode(case, **FAST[mode]))
    assert (report.verdict.state, report.verdict.exit_code) == ("failed", 1)
    assert told in report.verdict.reasons[0]
    assert (report.micro, report.memory, report.cost) == (None, None, None)


@processes
async def test_a_failing_operation_is_invalid_in_this_process_too(mode: Mode) -> None:
    async def fails() -> None:
        raise ConnectionError("no such luck")

    report = await mode(fails, **FAST[mode])
    assert report.verdict.reasons == ("ConnectionError: no such luck",)


@processes
async def test_a_synchronous_function_is_named_as_one(mode: Mode) -> None:
    report = await mode(list, **FAST[mode])
    assert report.verdict.reasons == ("not an async function: it returns list. Define it with async def",)


@pytest.mark.one_loop
async def test_an_operation_that_never_ends_is_given_up() -> None:
    with pytest.raises(SubjectError, match="no answer within 2 s"):
        await alone(scenarios.never, measure, Blocks, options={"seconds": 0.1}, patience=2)
    with pytest.raises(SubjectError, match=r"no answer within 0.01 s"):
        await alone(anyio.sleep_forever, measure, Blocks, options={"seconds": 0.1}, patience=0.01)


def test_cases_that_no_other_process_can_find_stay_here() -> None:
    @bench.scenario
    async def local(case: Case) -> None: ...

    assert fresh_case(local) is None
    assert fresh_case(scenarios.nothing) is None
    assert fresh_case(scenarios.leaks) == scenarios.leaks.cases()[0]


@bench.scenario(kind=["call", "task", "timer", "thread"])
async def asks(case: Case) -> AsyncGenerator[Callable[[], Awaitable[Any]]]:
    async def task() -> None:
        await asyncio.create_task(scenarios.nothing())

    async def timer() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.0001, future.set_result, None)
        await future

    async def thread() -> None:
        await asyncio.get_running_loop().run_in_executor(None, int)

    yield {"call": scenarios.nothing, "task": task, "timer": timer, "thread": thread}[case.kind]


@pytest.mark.parametrize(
    ("kind", "tasks", "timers", "threads"),
    [("call", 0, 0, 0), ("task", 1, 0, 0), ("timer", 0, 1, 0), ("thread", 0, 0, 1)],
)
def test_cost_is_exact(kind: str, tasks: int, timers: int, threads: int) -> None:
    found = here(bench.cost(asks.case(kind=kind), operations=10)).cost
    assert found is not None
    assert (found.tasks, found.timers, found.threads) == (tasks, timers, threads)
    if kind == "call":
        assert (found.calls, found.callbacks, found.exact) == (1, 0, True)
    if kind == "task":
        assert found.exact
        assert found.callbacks == 2  # its first step, and waking who waits for it


async def test_cost_here_counts_the_same_and_leaves_no_trace() -> None:
    loop = asyncio.get_running_loop()
    methods = [loop.call_soon, loop.call_later, loop.create_task]

    async def two_tasks() -> None:
        await asyncio.gather(scenarios.nothing(), scenarios.nothing())

    found = (await bench.cost(two_tasks)).cost
    assert found is not None
    assert (found.tasks, found.timers) == (2, 0)
    assert [loop.call_soon, loop.call_later, loop.create_task] == methods


async def test_an_operation_that_varies_is_not_exact() -> None:
    calls = iter(range(10**9))

    async def varies() -> None:
        for _ in range(next(calls) // 60):
            await anyio.lowlevel.checkpoint()

    report = await bench.cost(varies)
    assert report.cost is not None
    assert not report.cost.exact
    assert "the operation itself varies" in report.notes[0]


@pytest.mark.parametrize(
    ("mode", "options", "told"),
    [
        (bench.micro, {"processes": 0}, "processes=0 must be 1 or more"),
        (bench.micro, {"seconds": 0}, "seconds=0 must be"),
        (bench.memory, {"operations": 5}, "operations=5 must be 48 or more"),
        (bench.cost, {"operations": 0}, "operations=0 must be 1 or more"),
    ],
)
@pytest.mark.virtual_time
async def test_bad_input_is_named(mode: Mode, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        await mode(scenarios.nothing, **options)


def test_the_fewest_blocks_of_a_process_are_reported() -> None:
    made = [Blocks([1e-6] * n, [1e-6] * n, 5000, warm=True) for n in (7, 5, 9)]
    found = _micro(made)
    assert (found.processes, found.blocks, found.operations) == (3, 5, 5000)
    assert [len(row) for row in found.samples] == [len(row) for row in found.cpu_samples] == [7, 5, 9]


@pytest.mark.parametrize("counted", [[3, 10], [3, None], [None, 10]])
async def test_waits_are_reported_where_the_system_counts_them(
    counted: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(counted)
    monkeypatch.setattr(blocks, "waited", lambda: next(looks))
    timing = await blocks.measure(bench.Subject(anyio.lowlevel.checkpoint), 3)
    assert timing.waits == (None if None in counted else 7)
