"""The processes of a run, from their start to their end. None outlives the run, nor this process."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TypeAlias

from aembed.bench.load.abort import AbortOfProcesses
from aembed.bench.load.processes.messages import (
    MAX_LINE_BYTES,
    Done,
    FromWorker,
    Go,
    ProcessTask,
    Ready,
    Stop,
    Tick,
    line,
    receive,
    unpacked,
)
from aembed.bench.load.share import Share
from aembed.bench.rows.columns import Ints
from aembed.bench.subject import SubjectError

SETUP = 300.0
"""Seconds for all processes to set up their subjects."""
START_LEAD_NS = 50_000_000
"""Nanoseconds from "go" to the common start: more than it takes to send it to all of them."""
OVERDUE = 30.0
"""Seconds after the end of the run in which a process has to give its result."""
EXIT_GRACE_S = 2.0
"""Seconds to end once the input is closed; then it is killed, which also ends a process that is stopped."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A process that ended without a result."""

    reason: str


ProcessResult: TypeAlias = tuple[Done, Ints] | Lost
"""The result of one process and its columns, or the reason why there is none."""


@dataclass(slots=True)
class Child:
    """One process."""

    share: Share
    process: Process
    errors: IO[bytes]
    tick: Tick = field(default_factory=lambda: Tick(0, 0, 0, 0, 0))

    def send(self, message: object, payload: bytes = b"") -> None:
        """Nothing happens if it is gone: its output ends, too, and that is reported."""
        assert self.process.stdin is not None
        with suppress(ConnectionError, RuntimeError):
            self.process.stdin.write(line(message) + payload)

    async def set_up(self, job: ProcessTask, schedule: bytes) -> None:
        """Give it its job, and wait until its subject is set up. Raises SubjectError if it is not."""
        self.send(job, schedule)
        if not isinstance(await self._next(), Ready):
            raise SubjectError(f"{self.share}: {await self._last_words()}")

    async def result(self, ticked: Callable[[], None]) -> ProcessResult:
        """Its result, or why there is none."""
        while (message := await self._next()) is not None:
            if isinstance(message, Tick):
                self.tick = message
                ticked()
            elif isinstance(message, Done):
                assert self.process.stdout is not None
                with suppress(asyncio.IncompleteReadError):
                    return message, unpacked(await self.process.stdout.readexactly(message.size), message.columns)
        return Lost(f"it ended during the run: {await self._last_words()}")

    async def _next(self) -> FromWorker | None:
        assert self.process.stdout is not None
        message: FromWorker | None = await receive(self.process.stdout, FromWorker)
        return message

    async def _last_words(self) -> str:
        """The last line of its errors, or its exit code."""
        await self.process.wait()
        self.errors.seek(0)
        last = self.errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return last or f"exit code {self.process.returncode}"

    async def end(self) -> None:
        """Its input is closed; if it does not heed that, it is killed."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(EXIT_GRACE_S):
                    await self.process.wait()
        finally:
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()


@asynccontextmanager
async def children(number: int, loop: str) -> AsyncIterator[list[Child]]:
    """Fresh processes on an event loop such as "uvloop:new_event_loop"; all have ended when the block has.

    They have separate process groups, because this process handles Ctrl-C for all.
    """
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(_child(Share(i, number), loop)) for i in range(number)]
        try:
            yield found
        finally:
            await asyncio.gather(*(child.end() for child in found))


@asynccontextmanager
async def _child(share: Share, loop: str) -> AsyncIterator[Child]:
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "aembed.bench.load.processes.worker", loop),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in sys.path)},
            limit=MAX_LINE_BYTES,
            start_new_session=True,
        )
        child = Child(share, process, errors)
        try:
            yield child
        finally:
            await child.end()


async def run_all(
    found: Sequence[Child],
    jobs: Sequence[tuple[ProcessTask, bytes]],
    *,
    patience: float,
    stop: asyncio.Event | None,
    progress: Callable[[Sequence[Tick], float], None] | None,
    abort: AbortOfProcesses | None = None,
) -> list[ProcessResult]:
    """The outcome of each, in their order; all start together.

    ``stop`` and ``abort`` end the run early, and its requests count. None where it was stopped before all were set up.
    Raises SubjectError if a subject cannot be set up.
    """
    if not await _all_set_up(found, jobs, stop):
        return []
    origin = time.perf_counter_ns() + START_LEAD_NS
    for child in found:
        child.send(Go(origin))

    def ticked() -> None:
        if progress is not None:
            progress([child.tick for child in found], (time.perf_counter_ns() - origin) / 1e9)
        if abort is not None:
            abort.add([child.tick.counts for child in found], min(child.tick.number for child in found))

    ends = [event for event in (stop, None if abort is None else abort.tests.broken) if event is not None]
    stopping = asyncio.create_task(_pass_on(ends, found))
    running = [asyncio.create_task(child.result(ticked)) for child in found]
    try:
        await asyncio.wait(running, timeout=patience + OVERDUE)
    finally:
        ended = [task.done() for task in running]
        for task in (stopping, *running):
            task.cancel()
        await asyncio.wait((stopping, *running))
    late = Lost(f"no result {OVERDUE:g} s after the end of the run: it is stopped, or its event loop is blocked")
    return [task.result() if over else late for task, over in zip(running, ended, strict=True)]


async def _all_set_up(
    found: Sequence[Child], jobs: Sequence[tuple[ProcessTask, bytes]], stop: asyncio.Event | None
) -> bool:
    """All are; or ``stop`` was set. Raises the first SubjectError as soon as there is one."""
    stopped = asyncio.create_task((stop or asyncio.Event()).wait())
    set_ups = [child.set_up(job, schedule) for child, (job, schedule) in zip(found, jobs, strict=True)]
    waiting = set(map(asyncio.create_task, set_ups))
    try:
        async with asyncio.timeout(SETUP):
            while waiting:
                done, _ = await asyncio.wait((*waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopped}:
                    waiting.discard(task)
                    task.result()
                if stopped in done:
                    return False
    except TimeoutError:
        raise SubjectError(f"not all processes set up their subjects within {SETUP:g} s") from None
    finally:
        for task in (*waiting, stopped):
            task.cancel()
        await asyncio.wait((*waiting, stopped))
    return True


async def _pass_on(ends: Sequence[asyncio.Event], found: Sequence[Child]) -> None:
    """Stop all processes as soon as one of ``ends`` is set."""
    if not ends:
        return
    waiting = [asyncio.create_task(event.wait()) for event in ends]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
    for child in found:
        child.send(Stop())
