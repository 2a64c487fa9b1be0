"""The runner's own heap is left out of the garbage collections of a run."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from aembed import bench
from aembed.bench.load.heap import heap_frozen
from aembed.bench.micro import memory, timing
from aembed.bench.report import sections

virtual = pytest.mark.virtual_time


class Marked:
    """Something the garbage collector tracks."""


@pytest.fixture
def thawed() -> Iterator[None]:
    """The tests freeze their own heap: as if they had not."""
    gc.unfreeze()
    yield
    gc.freeze()


def searched() -> list[Marked]:
    """Instances that a collection looks at. `type` asks nothing of objects of other packages, which may warn."""
    return [each for each in gc.get_objects() if type(each) is Marked]


@virtual
@pytest.mark.usefixtures("thawed")
async def test_a_collection_searches_only_objects_of_the_subject() -> None:
    before, seen = Marked(), []

    @bench.scenario
    async def collects(_case: Any) -> AsyncIterator[bench.Subject]:
        mine = Marked()

        async def call() -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(searched() == [mine])

        yield bench.Subject(call)

    report = await bench.load(collects, arrivals=bench.constant(2), duration=1)
    assert seen == [True, True]
    assert gc.get_freeze_count() == 0
    assert before in searched()
    assert report.frozen is not None
    assert report.frozen > 10_000
    where = next(table for table in sections.tables(report) if table.title == "Where and how")
    (told,) = [row[1] for row in where.rows if row[0] == "garbage collections"]
    assert told.startswith(f"not of the {report.frozen:,} objects")


@pytest.mark.usefixtures("thawed")
def test_garbage_that_was_there_is_collected_first() -> None:
    ring: list[object] = [Marked()]
    ring.append(ring)
    del ring
    with heap_frozen():
        gc.unfreeze()
        assert searched() == []


@pytest.mark.usefixtures("thawed")
def test_thawed_when_the_subject_fails() -> None:
    with pytest.raises(LookupError), heap_frozen():
        raise LookupError
    assert gc.get_freeze_count() == 0


def test_objects_frozen_before_stay_frozen() -> None:
    gc.freeze()
    with heap_frozen():
        pass
    assert gc.get_freeze_count() > 0


@pytest.mark.parametrize("mode", [timing, memory], ids=["micro", "memory"])
@pytest.mark.one_loop
async def test_objects_frozen_before_stay_frozen_while_operations_are_measured(mode: Any) -> None:
    gc.freeze()
    options = {"seconds": 1e-6} | ({"operations": 1} if mode is memory else {})
    await mode.measure(bench.Subject(anyio.lowlevel.checkpoint), **options)
    assert gc.get_freeze_count() > 0
