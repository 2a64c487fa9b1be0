"""Verdicts on leaks from the figures of a process, and the request that asks for these."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from aembed import InputError, bench
from aembed.bench.micro.frozen_clock import FrozenClockLoop
from aembed.bench.micro.memory import Allocated, Looks, _memory, _verdict, measure
from aembed.bench.subject import Subject

MODULE = sys.modules["aembed.bench.micro.memory"]
EACH = 100
LAST = 48 * EACH


def looks(
    blocks: Callable[[int], float] = lambda _: 0,
    rss: Callable[[int], float] = lambda _: 0,
    allocated: Allocated | None = None,
) -> Looks:
    """Figures of a process that holds so many blocks and bytes after so many operations."""
    done = [EACH * look for look in range(1, 49)]
    return Looks(EACH, [int(blocks(n)) for n in done], [int(rss(n)) for n in done], 7000, allocated)


def bent(first: float, second: float) -> Callable[[int], float]:
    """Growth by an operation in each half of the looks that count."""
    middle = EACH * 28
    return lambda n: first * min(n, middle) + second * max(0, n - middle)


@pytest.mark.parametrize(
    ("blocks", "leaking", "filling"),
    [
        pytest.param(lambda n: 5000, False, False, id="constant"),
        pytest.param(lambda n: n, True, False, id="a block for each operation"),
        pytest.param(lambda n: n // 20, True, False, id="a block for twenty"),
        pytest.param(lambda n: 5000 - n // 20, False, False, id="less and less"),
        pytest.param(lambda n: min(n, 8 * EACH), False, False, id="a cache that has filled before"),
        pytest.param(lambda n: n % 1000, False, False, id="a buffer that is cleaned up"),
        pytest.param(bent(2, 1), True, False, id="half of it later"),
        pytest.param(bent(2, 0.9), False, True, id="less than half of it later"),
        pytest.param(bent(2, 0), False, False, id="nothing later"),
        pytest.param(bent(1, 2), True, False, id="more later"),
    ],
)
def test_a_leak_rises_throughout_and_does_not_tire(
    blocks: Callable[[int], float], leaking: bool, filling: bool
) -> None:
    found = _memory(looks(blocks))
    assert (found.leaking, found.filling) == (leaking, filling)
    verdict = _verdict(found)
    assert verdict.state == ("over budget" if leaking else "inconclusive" if filling else "ok")
    assert ["ever fewer" in reason for reason in verdict.reasons] == ([False] if leaking else [True] if filling else [])


def test_what_was_counted_is_given_for_one_operation() -> None:
    found = _memory(looks(lambda n: 2 * n, lambda n: 3 * n, Allocated(250, 5000)))
    assert (found.operations, found.peak) == (LAST, 7000)
    assert (found.allocations, found.bytes) == (2.5, 50.0)
    assert (found.retained.value, found.rss.value) == (2.0, 3.0)
    uncounted = _memory(looks())
    assert (uncounted.allocations, uncounted.bytes) == (None, None)


def test_the_smallest_leak_that_would_be_seen_is_three_times_the_noise_over_the_whole_run() -> None:
    """One block at least, which a count is uncertain by."""
    counted = LAST - 9 * EACH
    assert _memory(looks()).smallest_leak == pytest.approx(3 / counted)
    noisy = looks(lambda n: 50 * (n // EACH % 2))
    assert _memory(noisy).smallest_leak == pytest.approx(3 * 50 / counted, rel=0.1)


def test_growth_that_the_noise_may_have_made_is_no_leak() -> None:
    small = looks(lambda n: n / 300 + 30 * (n // EACH % 2))
    assert not _memory(small).leaking


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The answer of a process, and the request."""
    told: dict[str, Any] = {"answer": looks()}

    async def alone(_: object, measured: object, answer: object, **options: Any) -> Looks:
        told.update(options)
        seen: Looks = told["answer"]
        return seen

    monkeypatch.setattr(MODULE, "alone", alone)
    return told


async def nothing() -> None: ...


def test_what_only_rises_to_where_it_was_before_does_not_rise_throughout() -> None:
    """The least of the last third of the looks is the most of the first third."""
    assert not _memory(looks(lambda n: 10 * min(n // EACH, 21) + max(0, n // EACH - 36))).filling
    assert _memory(looks(lambda n: 10 * min(n // EACH, 21) + max(0, n // EACH - 35))).filling


@pytest.mark.virtual_time
async def test_a_process_has_a_frozen_clock_and_five_minutes_more_than_it_measures(asked: dict[str, Any]) -> None:
    await bench.memory(nothing, operations=48)
    assert (asked["loop"], asked["patience"]) == ("frozen", 360.0)
    assert asked["options"] == {"operations": 48, "seconds": 60.0}
    await bench.memory(nothing, seconds=1.0)
    assert (asked["patience"], asked["options"]["operations"]) == (301.0, 20_000)
    with pytest.raises(InputError, match="operations=47 must be 48 or more"):
        await bench.memory(nothing, operations=47)
    with pytest.raises(InputError, match="seconds=0 must be"):
        await bench.memory(nothing, seconds=0)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("blocks", "grown", "is_noted"),
    [(0, 9e6, True), (0, 7e6, False), (1, 9e6, False)],
    ids=["outside of Python", "little", "a leak of blocks"],
)
async def test_growth_outside_of_pythons_memory_is_a_note(
    asked: dict[str, Any], blocks: int, grown: float, is_noted: bool
) -> None:
    asked["answer"] = looks(lambda n: blocks * n, lambda n: grown * n / LAST)
    report = await bench.memory(nothing, operations=LAST)
    notes = [note for note in report.notes if "outside of Python's own memory" in note]
    assert len(notes) == is_noted
    if is_noted:
        assert f"the process grew by {grown / LAST:.3g} B per operation" in notes[0]


class Counted:
    """An operation that counts its calls, and the clock of the loop at each."""

    def __init__(self) -> None:
        self.clock: list[float] = []

    async def __call__(self) -> None:
        self.clock.append(asyncio.get_running_loop().time())


def measured(operations: int, seconds: float, *, size: Callable[[], int] | None = None) -> tuple[Looks, Counted]:
    operation = Counted()

    async def main() -> Looks:
        return await measure(Subject(operation), operations, seconds)

    async def uncounted(*_: object) -> None: ...

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MODULE, "resident", lambda: size)
        patched.setattr(MODULE, "allocated", uncounted)
        with asyncio.Runner(loop_factory=FrozenClockLoop) as runner:
            return runner.run(main()), operation


def test_a_process_is_looked_at_48_times_at_equal_distances() -> None:
    sizes = iter(range(1000, 1048))
    seen, operation = measured(100, 60.0, size=lambda: next(sizes))
    assert (seen.each, len(seen.blocks)) == (2, 48)
    assert seen.rss == list(range(1000, 1048))
    assert len(operation.clock) == 1 + 2 * 48 + 10  # to see how long one takes; and those whose peak is seen
    assert min(seen.blocks) > 0
    assert seen.allocated is None


def test_a_slow_operation_runs_once_between_two_looks() -> None:
    seen, operation = measured(4800, 1e-9)
    assert seen.each == 1
    assert seen.rss == [0] * 48
    assert len(operation.clock) == 1 + 48 + 10


def test_as_many_operations_are_looked_at_as_the_time_is_enough_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One takes half a second by this clock, and by the other no time at all."""
    monkeypatch.setattr(MODULE, "time", SimpleNamespace(perf_counter=iter([3.0, 3.5, 7.0, 7.0]).__next__))
    assert measured(4800, 60.0)[0].each == 120 // 48
    assert measured(4800, 96e-9)[0].each == 2


def test_only_objects_that_came_since_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    @contextmanager
    def heap_frozen() -> Iterator[None]:
        done.append("frozen")
        yield
        done.append("thawed")

    monkeypatch.setattr(MODULE, "heap_frozen", heap_frozen)
    monkeypatch.setattr(MODULE, "gc", SimpleNamespace(collect=lambda: done.append("collected")))
    measured(48, 60.0)
    assert done == ["frozen", *["collected"] * 48, "thawed"]
    assert not tracemalloc.is_tracing()


def test_names_that_python_keeps_are_cleared_at_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    cleared: list[int] = []
    monkeypatch.setattr(sys, "_clear_internal_caches", lambda: cleared.append(1), raising=False)
    measured(48, 60.0)
    assert len(cleared) == 48


async def test_the_peak_is_the_most_that_one_operation_held() -> None:
    sizes = iter([0, 300_000, 100_000, *[0] * 20])
    kept = []

    async def holds() -> None:
        kept.append(bytes(200_000))
        bytes(next(sizes))

    peak = await MODULE._peak(Subject(holds))
    assert 500_000 <= peak < 510_000
    assert len(kept) == 10
    assert not tracemalloc.is_tracing()


def test_a_minute_has_passed_when_the_looks_that_count_begin() -> None:
    """Memory kept for a minute is no leak."""
    _, operation = measured(48, 60.0)
    clock = operation.clock[1:49]
    assert clock[0] == 0.0
    assert clock[7] == pytest.approx(60.0)
    assert clock[8] - clock[7] == pytest.approx(60 / 7)


@pytest.mark.one_loop
async def test_allocations_are_those_of_the_operations_alone() -> None:
    """None of the tracking's own, whatever their number; without memray there are none to count."""
    made: list[bytes] = []

    async def holds() -> None:
        made.append(bytes(100_000))

    found = await MODULE.allocated(Subject(holds), 1)
    if importlib.util.find_spec("memray") is None:
        assert (found, made) == (None, [])
        return
    assert gc.isenabled()
    assert len(made) == 1
    assert 100_000 <= found.bytes < 110_000
    assert 1 <= found.count < 20
