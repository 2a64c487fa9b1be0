"""Blocks of operations, long enough to time: what one measurement and a comparison are both made of."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from aembed.bench.environment import waited
from aembed.bench.subject import Subject, check

BLOCK = 0.005
"""Seconds of a block, at least: long compared with the clock and a turn of the loop."""
TRIES = 4


class Timing(NamedTuple):
    """Nanoseconds of a block, and how often it waited: for a timer, a socket, a lock; ``None`` if that is not known."""

    wall: float
    cpu: float
    waits: int | None = None


class Runs(Protocol):
    """An operation that is set up, here or in another process."""

    async def block(self, operations: int) -> Timing:
        """Run so many, one after the other."""
        ...


@dataclass(frozen=True, slots=True)
class InProcess:
    """In this process and the running loop."""

    subject: Subject

    async def block(self, operations: int) -> Timing:
        """Run so many. The last result is validated, off the clock."""
        return await measure(self.subject, operations)


async def measure(subject: Subject, operations: int) -> Timing:
    """One block, by the clock, and of CPU in this thread. Raises SubjectError for a wrong result."""
    call, result, before = subject.call, None, waited()
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    for _ in range(operations):
        result = await call()
    wall, cpu = time.perf_counter_ns() - wall, time.thread_time_ns() - cpu
    after = waited()
    check(subject, result)
    await asyncio.sleep(0)  # for what the operations left to the loop
    return Timing(wall, cpu, None if before is None or after is None else after - before)


@dataclass(frozen=True, slots=True)
class CalibratedBlock:
    """The number of operations that fill a block; ``seconds`` is about their duration."""

    runs: Runs
    operations: int
    seconds: float

    async def block(self) -> Timing:
        """Nanoseconds of one operation."""
        wall, cpu, waits = await self.runs.block(self.operations)
        return Timing(wall / self.operations, cpu / self.operations, waits)


async def calibrated(runs: Runs) -> CalibratedBlock:
    """More and more operations, until a block is long enough: the shortest of some, for one that was held up is not."""
    operations = 1
    while True:
        seconds = (await runs.block(operations)).wall / 1e9
        if BLOCK <= seconds < TRIES * BLOCK:
            seconds = min(seconds, *[(await runs.block(operations)).wall / 1e9 for _ in range(TRIES)])
        if seconds >= BLOCK:
            return CalibratedBlock(runs, operations, seconds)
        operations = math.ceil(operations * min(10.0, max(1.5, 1.2 * BLOCK / max(seconds, 1e-9))))
