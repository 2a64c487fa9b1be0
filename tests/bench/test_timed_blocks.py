"""Blocks of operations: how many operations fill one, when the warm-up ends, and when the measurement does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from aembed import bench
from aembed.bench.micro import blocks
from aembed.bench.micro.blocks import CalibratedBlock, InProcess, Timing, calibrated
from aembed.bench.micro.timing import Blocks, _micro, _warm_up, judged, measure
from aembed.bench.model.estimates import Estimate
from aembed.bench.slo import goals
from aembed.bench.subject import Subject, SubjectError
from tests.bench.reports import micro, report

MODULE = sys.modules["aembed.bench.micro.timing"]
ESTIMATED_S = 0.005


class Operation:
    """An operation of so many seconds; the clock stands still while nothing runs."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self._seconds = seconds
        self.asked: list[int] = []
        self.now = 0.0

    async def block(self, operations: int) -> Timing:
        self.asked.append(operations)
        took = self._seconds(len(self.asked)) * operations
        self.now += took
        return Timing(took * 1e9, took * 0.5e9, 3)


def constant(seconds: float) -> Callable[[int], float]:
    return lambda _: seconds


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [
        (0.5e-9, [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, *[10_000_000] * 5]),
        (1e-6, [1, 10, 100, 1000, *[6000] * 5]),
        (1e-3, [1, *[6] * 5]),
        (0.004, [1, *[2] * 5]),
        (0.005, [1] * 5),
        (0.0199, [1] * 5),
        (0.02, [1]),
        (1.0, [1]),
    ],
)
async def test_operations_are_added_until_they_fill_five_milliseconds(seconds: float, asked: list[int]) -> None:
    operation = Operation(constant(seconds))
    block = await calibrated(operation)
    assert operation.asked == asked
    assert block.operations == asked[-1]
    assert block.seconds == pytest.approx(seconds * block.operations)
    assert block.seconds >= ESTIMATED_S


async def test_a_block_that_was_held_up_is_not_long_enough() -> None:
    operation = Operation(lambda run: 0.01 if run == 1 else 1e-3)
    block = await calibrated(operation)
    assert operation.asked == [1] * 5 + [6] * 5
    assert block.operations == 6
    assert block.seconds == pytest.approx(0.006)


async def test_a_block_gives_the_time_of_one_operation() -> None:
    block = CalibratedBlock(Operation(constant(2e-6)), 50, 1e-4)
    assert await block.block() == pytest.approx(Timing(2000.0, 1000.0, 3))


async def test_a_block_in_this_process_runs_its_operations_and_checks_the_last_result() -> None:
    results: Iterator[int | None] = iter([1, 2, 3, None])

    async def call() -> int | None:
        return next(results)

    def validate(result: object) -> None:
        if result is None:
            raise SubjectError("no result")

    here = InProcess(Subject(call, validate=validate))
    timing = await here.block(3)
    assert timing.wall > 0
    assert timing.cpu >= 0
    with pytest.raises(SubjectError, match="no result"):
        await here.block(1)


@pytest.fixture
def on_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Operation], CalibratedBlock]:
    """Blocks of an operation, on its clock."""

    def placed(operation: Operation) -> CalibratedBlock:
        monkeypatch.setattr(MODULE, "time", SimpleNamespace(perf_counter=lambda: operation.now))
        return CalibratedBlock(operation, 1, 0.01)

    return placed


OnClock = Callable[[Operation], CalibratedBlock]


@pytest.mark.parametrize(
    ("seconds", "warm", "blocks"),
    [
        pytest.param(constant(0.01), True, 10, id="even"),
        pytest.param(lambda run: 0.1 * 0.95 ** min(2, (run - 1) // 5), True, 20, id="faster for three rounds"),
        pytest.param(lambda run: 0.1 * 0.95 ** ((run - 1) // 5), False, 25, id="ever faster"),
        pytest.param(lambda run: 0.25 if run <= 5 or run == 10 else 0.125, False, 10, id="faster to the end"),
        pytest.param(lambda run: 100.0 if run <= 5 else 98.0, True, 5, id="one round takes all of the time"),
        pytest.param(lambda run: [0.1, 0.098, 0.098][(run - 1) // 5], True, 15, id="by two percent"),
        pytest.param(lambda run: [0.1, 0.0985][(run - 1) // 5], True, 10, id="by less"),
    ],
)
async def test_it_is_warm_when_five_blocks_are_hardly_faster_than_the_five_before(
    on_clock: OnClock, seconds: Callable[[int], float], warm: bool, blocks: int
) -> None:
    operation = Operation(seconds)
    assert await _warm_up(on_clock(operation)) is warm
    assert len(operation.asked) == blocks


@pytest.mark.parametrize(("seconds", "blocks"), [(0.001, 5), (0.06, 6), (0.1, 10)])
async def test_blocks_are_measured_for_so_long_and_five_at_least(
    on_clock: OnClock, seconds: float, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = Operation(constant(0.01))
    made = on_clock(operation)

    async def placed(_: object) -> CalibratedBlock:
        return made

    monkeypatch.setattr(MODULE, "calibrated", placed)

    async def nothing() -> None: ...

    found = await measure(Subject(nothing), seconds)
    assert len(operation.asked) in {10 + blocks, 11 + blocks}  # the warm-up is before; sums of floats are uneven
    assert found.wall == pytest.approx([0.01] * len(found.wall))
    assert found.cpu == pytest.approx([0.005] * len(found.wall))
    assert len(found.wall) == len(operation.asked) - 10
    assert (found.operations, found.warm) == (1, True)


@pytest.mark.parametrize(("warm", "notes"), [([True, True], 0), ([True, False], 1), ([False, False], 1)])
async def test_a_process_that_was_not_warm_is_noted(
    warm: list[bool], notes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = iter([Blocks([1e-6] * 5, [1e-6] * 5, 5000, each) for each in warm])

    async def alone(*_: object, **__: object) -> Blocks:
        return next(made)

    from tests.bench import scenarios

    monkeypatch.setattr(MODULE, "alone", alone)
    report = await bench.micro(scenarios.leaks, processes=2)
    assert [note for note in report.notes if "still getting faster after 2 s of warm-up" in note] == list(report.notes)
    assert len(report.notes) == notes


def test_wall_clock_and_processor_have_their_own_figures() -> None:
    found = _micro([Blocks([2e-6] * 5, [1e-6] * 5, 100, warm=True) for _ in range(3)])
    assert [found.wall.value, found.cpu.value] == pytest.approx([2e-6, 1e-6])


async def test_a_block_is_timed_by_both_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 10 to 17 on the clock on the wall, from 3 to 5 on that of the thread."""
    clocks = SimpleNamespace(
        perf_counter_ns=iter([10, 17]).__next__, thread_time_ns=iter([3, 5]).__next__, perf_counter=None
    )
    monkeypatch.setattr(blocks, "time", clocks)
    monkeypatch.setattr(blocks, "waited", lambda: 4)
    done: list[int] = []

    async def call() -> None:
        done.append(1)

    assert await blocks.measure(Subject(call), 3) == Timing(7, 2, 0)
    assert len(done) == 3


@pytest.mark.virtual_time
async def test_what_an_operation_leaves_to_the_loop_is_done_after_its_block() -> None:
    loop, done = asyncio.get_running_loop(), list[int]()

    async def call() -> None:
        loop.call_soon(done.append, 1)

    await blocks.measure(Subject(call), 1)
    assert done == [1]
    assert loop.time() == 0.0


@pytest.mark.parametrize(
    ("low", "high", "state", "verdict"),
    [
        (1e-6, 2e-6, "kept", "ok"),
        (1e-6, 2.1e-6, "inconclusive", "inconclusive"),
        (2e-6, 3e-6, "inconclusive", "inconclusive"),
        (2.1e-6, 3e-6, "broken", "over budget"),
        (None, None, "inconclusive", "inconclusive"),
    ],
)
def test_a_time_is_judged_by_its_interval_and_a_wide_one_has_its_remedy(
    low: float | None, high: float | None, state: str, verdict: str
) -> None:
    """Each of the two clocks for itself."""
    wall, cpu = Estimate(value=2e-6, low=low, high=high), Estimate(value=1e-9, low=1e-9, high=1e-9)
    made = judged(report(micro=replace(micro(2e-6), wall=wall, cpu=cpu)), goals("time=2us,cpu=1us"))
    time, other = made.objectives
    assert (time.state, time.value, time.low, time.high) == (state, 2e-6, low, high)
    assert time.note == ("more processes would narrow the interval" if state == "inconclusive" else "")
    assert (other.state, other.note) == ("kept", "")
    assert made.verdict.state == verdict
    assert len(made.verdict.reasons) == (verdict != "ok")
