"""Counts of what an operation asks for, where each is known."""

from __future__ import annotations

import asyncio
import gc
import sys
from types import FrameType
from typing import Any

import pytest

from aembed import bench
from aembed.bench import Subject
from aembed.bench.micro.cost import count, measure
from aembed.bench.micro.memory import Allocated
from aembed.bench.model.one_at_a_time import Cost

MODULE = sys.modules["aembed.bench.micro.cost"]


async def nothing() -> None: ...


class Counted:
    """An operation that notes whether garbage is collected during each call."""

    def __init__(self) -> None:
        self.collected: list[bool] = []

    async def __call__(self) -> None:
        self.collected.append(gc.isenabled())


@pytest.fixture
def allocations(monkeypatch: pytest.MonkeyPatch) -> list[Allocated | None]:
    """The allocations of each of three passes."""
    seen: list[Allocated | None] = []

    async def allocated(_subject: object, _operations: int) -> Allocated | None:
        return seen.pop(0)

    monkeypatch.setattr(MODULE, "allocated", allocated)
    return seen


async def test_twenty_operations_warm_each_of_two_passes_up(allocations: list[Allocated | None]) -> None:
    operation = Counted()
    allocations += [None, None, None]
    found = await measure(Subject(operation), 3)
    assert operation.collected == [*[True] * 20, *[False] * 3] * 2
    assert gc.isenabled()
    assert found == Cost(
        operations=3, exact=True, tasks=0.0, callbacks=0.0, timers=0.0, threads=0.0, calls=1.0, allocations=None
    )


@pytest.mark.parametrize(
    ("first", "second", "third", "found"),
    [
        ((9, 9), (6, 60), (6, 60), 2.0),  # the first pass fills caches
        ((6, 60), (6, 60), (9, 60), None),
        ((6, 60), (6, 60), (6, 61), None),
    ],
)
async def test_allocations_count_where_two_passes_are_equal(
    allocations: list[Allocated | None],
    first: tuple[int, int],
    second: tuple[int, int],
    third: tuple[int, int],
    found: float | None,
) -> None:
    allocations += [Allocated(*each) for each in (first, second, third)]
    assert (await measure(Subject(nothing), 3)).allocations == found


async def test_another_profiler_goes_on_after_the_count() -> None:
    def profiler(_frame: FrameType, _event: str, _argument: object) -> None: ...

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        counts = await count(Subject(nothing), 5, warm=2)
        after = sys.getprofile()
    finally:
        sys.setprofile(before)
    assert after is profiler
    assert counts == {"tasks": 0, "callbacks": 0, "timers": 0, "threads": 0, "calls": 5}


@pytest.mark.virtual_time
async def test_a_process_counts_on_a_frozen_clock_with_a_known_hash_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    counted = Cost(operations=1, exact=True, tasks=0, callbacks=0, timers=0, threads=0, calls=1, allocations=None)

    async def alone(_target: object, measured: object, answer: object, **options: Any) -> Cost:
        told.update(options, measured=measured, answer=answer)
        return counted

    monkeypatch.setattr(MODULE, "alone", alone)
    report = await bench.cost(nothing)
    assert told == {
        "options": {"operations": 50},
        "loop": "frozen",
        "hash_seed": 0,
        "measured": measure,
        "answer": Cost,
    }
    assert (report.cost, report.notes) == (counted, ())
    await bench.cost(nothing, operations=1)
    assert told["options"] == {"operations": 1}


async def test_a_timer_counts_once_however_it_is_set() -> None:
    async def sets_two() -> None:
        loop = asyncio.get_running_loop()
        for timer in (loop.call_later(60, int), loop.call_at(loop.time() + 60, int)):
            timer.cancel()

    assert (await count(Subject(sets_two), 3, warm=0))["timers"] == 6
