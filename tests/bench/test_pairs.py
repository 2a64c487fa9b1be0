"""A pair of processes: the order of its blocks, their number, and the one number that comes of it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from aembed.bench.compare import interleave, process_side
from aembed.bench.compare.interleave import Pair, Rounds, compare_rounds, measure_pair
from aembed.bench.compare.process_side import ProcessSide
from aembed.bench.micro import blocks
from aembed.bench.micro.blocks import CalibratedBlock, Timing


class Clock:
    """It advances while a block runs, and only then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def perf_counter(self) -> float:
        return self.now


class Timed:
    """A version whose operation takes ``seconds``; a block is one operation."""

    def __init__(self, label: str, seconds: float, clock: Clock) -> None:
        self.label, self.seconds = label, seconds
        self._clock = clock
        self.seeds: list[int] = []

    @asynccontextmanager
    async def open(self, seed: int) -> AsyncIterator[Timed]:
        self.seeds.append(seed)
        yield self

    async def block(self, operations: int) -> Timing:
        self._clock.now += self.seconds
        self._clock.ran.append(self.label)
        return Timing(self.seconds * 1e9, self.seconds * 0.5e9, 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()

    async def calibrated(runs: Timed) -> CalibratedBlock:
        return CalibratedBlock(runs, 1, runs.seconds)

    monkeypatch.setattr(interleave, "time", made)
    monkeypatch.setattr(interleave, "calibrated", calibrated)
    return made


@pytest.mark.parametrize(("seed", "warm", "counted"), [(0, "ba", "baab"), (1, "ab", "abba"), (2, "ba", "baab")])
async def test_the_sides_take_turns_and_each_begins_every_other_pair(
    clock: Clock, seed: int, warm: str, counted: str
) -> None:
    before, after = Timed("b", 0.005, clock), Timed("a", 0.01, clock)
    pair = await measure_pair(before, after, seed)
    assert "".join(clock.ran) == warm * 20 + counted * 20
    assert before.seeds == after.seeds == [seed]
    assert (pair.before, pair.after) == pytest.approx((0.0025, 0.005))
    assert pair.wall == pair.cpu == pytest.approx(math.log(2))
    assert pair.busy


@pytest.mark.parametrize(
    ("seconds", "warm", "rounds"),
    [(0.005, 30, 20), (0.03125, 5, 16), (0.5, 1, 3), (2.0, 1, 3)],
)
async def test_slow_operations_get_fewer_rounds(clock: Clock, seconds: float, warm: int, rounds: int) -> None:
    """A third of a second warms both up; rounds take two seconds, and are three at least."""
    await measure_pair(Timed("b", seconds, clock), Timed("a", seconds, clock), 0)
    assert len(clock.ran) == 2 * warm + 4 * rounds


def rounds_of(wall: float, cpu: float, waits: int | None = 0, count: int = 5) -> Rounds:
    """Nanoseconds of equal blocks. ``waits`` are those of all of them."""
    quiet = Timing(wall, cpu, None if waits is None else 0)
    made = [(quiet, quiet) for _ in range(count)]
    made[0] = Timing(wall, cpu, waits), quiet
    return made


@pytest.mark.parametrize(
    ("before", "after", "busy"),
    [(0, 0, True), (1, 1, True), (2, 0, False), (0, 2, False), (None, 0, False), (0, None, False)],
)
def test_operations_that_hardly_wait_are_compared_by_their_processor_time(
    before: int | None, after: int | None, busy: bool
) -> None:
    """One wait in ten blocks is seldom."""
    pair = compare_rounds(rounds_of(4e9, 1e9, before), rounds_of(8e9, 3e9, after))
    assert pair.busy is busy
    assert (pair.before, pair.after) == ((1.0, 3.0) if busy else (4.0, 8.0))
    assert (pair.wall, pair.cpu) == pytest.approx((math.log(2), math.log(3)))


def test_a_pair_is_the_median_of_its_rounds() -> None:
    """A round is the mean of the logarithms of its blocks: twice as slow and twice as fast are equally far from one."""
    before = [(Timing(1.0, 1.0, 0), Timing(4.0, 4.0, 0))] * 3
    after = [(Timing(wall, wall, 0), Timing(wall, wall, 0)) for wall in (2.0, 6.0, 1000.0)]
    pair = compare_rounds(before, after)
    assert pair.wall == pytest.approx(math.log(3))
    assert (pair.before, pair.after) == pytest.approx((2.5e-9, 6e-9))


def test_a_block_without_processor_time_has_a_thousandth_of_a_nanosecond() -> None:
    assert compare_rounds(rounds_of(1.0, 0.0), rounds_of(1.0, 1.0)).cpu == pytest.approx(math.log(1000))
    assert compare_rounds(rounds_of(1.0, 0.0), rounds_of(1.0, 0.0)) == Pair(
        before=0.0, after=0.0, wall=0.0, cpu=0.0, busy=True
    )


class Answers:
    """A process that takes ``seconds`` for each operation."""

    def __init__(self) -> None:
        self.seconds = 1.0
        self.patience: list[float] = []

    async def ask(self, measure: object, answer: object, options: dict[str, int], patience: float) -> Timing:
        assert (measure, answer) == (blocks.measure, Timing)
        self.patience.append(patience)
        return Timing(self.seconds * options["operations"] * 1e9, 0.0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The process that a side starts, and its arguments."""
    seen = SimpleNamespace(process=Answers(), asked={})

    @asynccontextmanager
    async def process(*arguments: object, **options: Any) -> AsyncIterator[Answers]:
        seen.asked = {"arguments": arguments, **options}
        yield seen.process

    monkeypatch.setattr(process_side, "process", process)
    return seen


async def test_a_process_gets_a_minute_and_ten_times_as_long_as_it_ever_took(started: SimpleNamespace) -> None:
    async with ProcessSide(label="main", target="file.py:f").open(0) as runs:
        for operations, started.process.seconds in ((10, 1.0), (5, 0.5), (5, 2.0), (1, 1.0)):
            await runs.block(operations)
    assert started.process.patience == [60.0, 110.0, 110.0, 80.0]


async def test_both_processes_of_a_pair_have_one_hash_seed_and_one_core(started: SimpleNamespace) -> None:
    side = ProcessSide(label="main", target="file.py:f", parameters={"n": 1}, tree="/tree", loop="asyncio")
    async with side.open(4):
        pass
    assert started.asked == {
        "arguments": ("file.py:f", {"n": 1}),
        "label": "main",
        "loop": "asyncio",
        "tree": "/tree",
        "hash_seed": 5,
        "patience": 60.0,
        "pinned": True,
    }


def test_a_side_runs_on_uvloop_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")
    assert ProcessSide(label="main", target="file.py:f").loop == "uvloop"
