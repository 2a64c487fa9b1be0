"""Operations of microseconds, one after the other: in blocks long enough to time, in fresh processes, warmed up."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from dataclasses import dataclass

from aembed import InputError
from aembed.bench.child import Loop, SubjectError, alone, fresh_case, one
from aembed.bench.frame import Frame
from aembed.bench.result import Micro, Report, Verdict
from aembed.bench.scenario import Subject, Target
from aembed.bench.settings import positive
from aembed.bench.stats import processes_interval

BLOCK = 5_000_000
"""Nanoseconds of a block, at least."""
FEWEST = 5
"""Blocks of a process, at least."""
WARM = 5
"""Blocks whose median is compared with that of as many before them."""
STILL = 0.02
"""Relative gain from which on it is still getting faster."""
LONGEST_WARM_UP = 2_000_000_000
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """What one process measured: seconds per operation, in order."""

    wall: list[float]
    cpu: list[float]
    operations: int
    warm: bool
    """The warm-up ended because it no longer got faster."""


async def micro(target: Target, *, processes: int = 5, seconds: float = 0.5, name: str | None = None) -> Report:
    """Seconds per operation, wall clock and CPU, of ``target`` awaited in a loop, for ``seconds`` in each process.

    Cases of a scenario are measured in fresh processes. A bare callable is bound to this one and measured here: its
    report has no interval, for values of one process are not independent.
    """
    if processes < 1:
        raise InputError(f"processes={processes!r} must be 1 or more")
    positive("seconds", seconds)
    frame = await Frame.around(target, name)
    loop: Loop = "asyncio" if isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop) else "uvloop"
    try:
        found = await alone(target, measure, Blocks, times=processes, loop=loop, options={"seconds": seconds})
    except SubjectError as error:
        return await frame.report("micro", verdict=Verdict(state="invalid", reasons=(str(error),)))
    notes = []
    if fresh_case(target) is None:
        notes.append("measured in this process alone; decorate it with @bench.scenario for fresh processes")
    if not all(blocks.warm for blocks in found):
        notes.append(f"it was still getting faster after {LONGEST_WARM_UP / 1e9:g} s of warm-up")
    return await frame.report("micro", verdict=Verdict(), notes=tuple(notes), micro=_micro(found))


def _micro(found: list[Blocks]) -> Micro:
    return Micro(
        wall=processes_interval([blocks.wall for blocks in found]),
        cpu=processes_interval([blocks.cpu for blocks in found]),
        processes=len(found),
        blocks=min(len(blocks.wall) for blocks in found),
        operations=found[0].operations,
        samples=tuple(tuple(blocks.wall) for blocks in found),
        cpu_samples=tuple(tuple(blocks.cpu) for blocks in found),
    )


async def measure(subject: Subject, seconds: float) -> Blocks:
    """In this process and the running loop."""
    await one(subject)
    operations, warm = await _warm_up(subject)
    gc.collect()
    gc.freeze()
    try:
        times: list[tuple[int, int]] = []
        end = time.perf_counter_ns() + int(seconds * 1e9)
        while len(times) < FEWEST or time.perf_counter_ns() < end:
            times.append(await _block(subject, operations))
    finally:
        gc.unfreeze()
    scale = operations * 1e9
    return Blocks([wall / scale for wall, _ in times], [cpu / scale for _, cpu in times], operations, warm)


async def _warm_up(subject: Subject) -> tuple[int, bool]:
    """How many operations make a block; and whether it no longer got faster before patience ended."""
    operations = 1
    while (await _block(subject, operations))[0] < BLOCK:
        operations *= 2
    end = time.perf_counter_ns() + LONGEST_WARM_UP
    walls: list[int] = []
    while time.perf_counter_ns() < end:
        walls += [(await _block(subject, operations))[0] for _ in range(WARM)]
        earlier, later = walls[-2 * WARM : -WARM], walls[-WARM:]
        if earlier and statistics.median(later) > (1 - STILL) * statistics.median(earlier):
            return operations, True
    return operations, len(walls) <= WARM  # slow operations: one round is all there is time for


async def _block(subject: Subject, operations: int) -> tuple[int, int]:
    """Nanoseconds by the clock, and of CPU in this thread. The last result is validated, off the clock."""
    call, result = subject.call, None
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for _ in range(operations):
        result = await call()
    wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
    if subject.validate and (problem := subject.validate(result)):
        raise SubjectError(f"wrong result: {problem}")
    await asyncio.sleep(0)
    return wall, cpu
