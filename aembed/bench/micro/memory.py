"""Memory of an operation: allocations, peak, and memory retained after it."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import sys
import tempfile
import time
import tracemalloc
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aembed import InputError
from aembed.bench.load.heap import heap_frozen
from aembed.bench.micro.frozen_clock import FrozenClockLoop
from aembed.bench.micro.process import MEASUREMENT_TIMEOUT_S, alone
from aembed.bench.model.one_at_a_time import Memory
from aembed.bench.model.result import Report, Verdict
from aembed.bench.rss import resident
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target
from aembed.bench.settings import positive
from aembed.bench.stats.sample import envelope_slope, theil_sen
from aembed.bench.subject import Subject, SubjectError, one

LOOKS = 48
"""Times memory is looked at."""
WARM_UP_LOOKS = LOOKS // 6
"""Looks that do not count: caches fill."""
COUNTED_OPERATIONS = 100
"""Operations whose allocations are counted, and at most as many whose peak is looked at."""
MINUTE_S = 60.0
"""Seconds added to the clock in the warm-up: objects kept for a minute, such as the record of requests sent to an
account with a quota, are not leaks."""
SECOND_HALF_SHARE = 0.5
"""Share of the first half's growth. A leak is the same in each operation, so its second half stays above this."""
NATIVE_GROWTH = 8e6
"""Bytes of growth outside of Python's own blocks that are worth a note."""


@dataclass(frozen=True, slots=True)
class Allocated:
    """By some operations, freed or not."""

    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Looks:
    """Observations of one process, every so many operations, after a collection each time."""

    each: int
    blocks: list[int]
    """Blocks of memory in use, by Python's count."""
    rss: list[int]
    peak: int
    """Bytes an operation held at once."""
    allocated: Allocated | None
    """By ``COUNTED_OPERATIONS`` operations."""


async def memory(target: Target, *, operations: int = 20_000, seconds: float = 60.0, name: str | None = None) -> Report:
    """Bytes and allocations per operation, and whether ``operations`` of them (fewer after ``seconds``) leak.

    A leak shows as blocks of memory that stay after a collection: their number must rise from the beginning to the
    end, not only between two clean-ups of a buffer, and it must not tire. Where it rises ever more slowly something may
    just be filling, and the verdict is "inconclusive". The report says which leak would have been too small to see.
    """
    if operations < LOOKS:
        raise InputError(f"operations={operations!r} must be {LOOKS} or more")
    positive("seconds", seconds)
    frame = await RunContext.around(target, name)
    options = {"operations": operations, "seconds": seconds}
    try:
        seen = await alone(
            target, measure, Looks, options=options, patience=MEASUREMENT_TIMEOUT_S + seconds, loop="frozen"
        )
    except SubjectError as error:
        return await frame.report("memory", verdict=Verdict(state="failed", reasons=(str(error),)))
    found, notes = _memory(seen), []
    if (found.rss.low or 0.0) * found.operations > NATIVE_GROWTH and not found.leaking:
        notes.append(f"the process grew by {found.rss.value:.3g} B per operation outside of Python's own memory")
    return await frame.report("memory", verdict=_verdict(found), notes=tuple(notes), memory=found)


def _verdict(found: Memory) -> Verdict:
    kept = f"{found.retained.value:.3g} blocks of memory stay after each operation"
    if found.leaking:
        return Verdict(state="over budget", reasons=(kept,))
    if found.filling:
        return Verdict(state="inconclusive", reasons=(f"{kept}, but ever fewer: more operations would show a leak",))
    return Verdict()


def _memory(seen: Looks) -> Memory:
    done, blocks, rss = (
        np.array(values, dtype=np.float64)[WARM_UP_LOOKS:]
        for values in (range(seen.each, seen.each * (LOOKS + 1), seen.each), seen.blocks, seen.rss)
    )
    retained = theil_sen(done, blocks)
    off_line = blocks - retained.value * done
    smallest = float(max(np.ptp(off_line), 1.0) / (done[-1] - done[0]) * 3)
    third = len(blocks) // 3
    rises = bool(blocks[-third:].min() > blocks[:third].max()) and (retained.low or 0.0) > 0
    half = len(blocks) // 2
    earlier, later = (theil_sen(done[part], blocks[part]).value for part in (slice(half), slice(half, None)))
    tires = later < earlier * SECOND_HALF_SHARE
    counted = seen.allocated
    return Memory(
        operations=seen.each * LOOKS,
        bytes=None if counted is None else counted.bytes / COUNTED_OPERATIONS,
        allocations=None if counted is None else counted.count / COUNTED_OPERATIONS,
        peak=seen.peak,
        retained=retained,
        rss=envelope_slope(done, rss),
        smallest_leak=smallest,
        leaking=rises and not tires and retained.value > smallest,
        filling=rises and tires and later > 0,
    )


async def measure(subject: Subject, operations: int, seconds: float) -> Looks:
    """In this process and the running loop."""
    begun = time.perf_counter()
    await one(subject)
    affordable = int(seconds / max(time.perf_counter() - begun, 1e-9))
    each = max(1, min(operations, affordable) // LOOKS)
    size, call, loop = resident(), subject.call, asyncio.get_running_loop()
    blocks, rss = array("q", bytes(8 * LOOKS)), array("q", bytes(8 * LOOKS))  # lists would keep an object for each
    with heap_frozen():  # objects that exist now stay: collections look at the others alone
        for i in range(LOOKS):
            for _ in range(each):
                await call()
            if isinstance(loop, FrozenClockLoop):
                loop.pass_(MINUTE_S / (WARM_UP_LOOKS - 1))
            _clean()
            blocks[i], rss[i] = sys.getallocatedblocks(), size() if size else 0
    return Looks(
        each, blocks.tolist(), rss.tolist(), await _peak(subject), await allocated(subject, COUNTED_OPERATIONS)
    )


def _clean() -> None:
    """Python's cache of attributes keeps names that nothing else does, some hundred of them: that fills like a leak."""
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()
    gc.collect()


async def _peak(subject: Subject) -> int:
    """The most that one operation held at once, in bytes, of some."""
    highest = 0
    tracemalloc.start()
    try:
        for _ in range(10):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            await subject.call()
            highest = max(highest, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return highest


async def allocated(subject: Subject, operations: int) -> Allocated | None:
    """Everything that ``operations`` allocate, by memray, which sees Python's allocator and the system's."""
    if importlib.util.find_spec("memray") is None:
        return None
    import memray

    freeing = {memray.AllocatorType.FREE, memray.AllocatorType.PYMALLOC_FREE, memray.AllocatorType.MUNMAP}
    seen = []
    gc.collect()
    gc.disable()
    try:
        for n in (0, operations):  # what the tracking itself allocates is seen by tracking nothing
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / "allocations"
                with memray.Tracker(path, trace_python_allocators=True):
                    for _ in range(n):
                        await subject.call()
                with memray.FileReader(path) as reader:
                    records = [r for r in reader.get_allocation_records() if r.allocator not in freeing]
                    seen.append((sum(r.n_allocations for r in records), sum(r.size for r in records)))
    finally:
        gc.enable()
    (ours, our_bytes), (count, size) = seen
    return Allocated(count - ours, size - our_bytes)
