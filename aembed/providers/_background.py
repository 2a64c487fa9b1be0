"""Lanes for documents and queries. Threads of documents run at a low priority."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import anyio

from aembed._types import Kind

T = TypeVar("T")

NICENESS = 10
"""Nice value of document threads: a tenth of a normal thread's share, and all of an idle core (``man 7 sched``)."""


class WorkerLanes:
    """Worker threads in two lanes, so that a query never waits behind the batches of a bulk job.

    While both lanes are full, queries get the cores: the threads of documents give way. A cancelled caller waits for
    the step its thread is in, so steps are kept to some tens of milliseconds.
    """

    def __init__(self, widths: Mapping[Kind, int]) -> None:
        self._lanes: dict[Kind, WorkerThreads] = {
            "document": WorkerThreads(widths["document"], "aembed-documents", at_start=_give_way),
            "query": WorkerThreads(widths["query"], "aembed-queries"),
        }

    async def run(self, kind: Kind, step: Callable[[], T], /) -> T:
        """Run one step in a thread of the lane of ``kind``."""
        return await self._lanes[kind].run(step)

    async def run_all(self, kind: Kind, steps: Iterable[Callable[[], object]], /) -> None:
        """Run the steps of one call side by side, in all threads of the lane of ``kind``."""
        await self._lanes[kind].run_all(steps)

    def close(self) -> None:
        """End the threads after the steps in progress."""
        for lane in self._lanes.values():
            lane.close()


class WorkerThreads:
    """``width`` threads that run nothing else, since a priority once lowered cannot be raised again.

    Only Linux has priorities for threads; elsewhere these are like any other. They start with the first step.
    """

    def __init__(self, width: int, name: str, at_start: Callable[[], None] | None = None) -> None:
        self._width = width
        self._name = name
        self._at_start = at_start
        self._process = 0
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, step: Callable[[], T], /) -> T:
        """Run one step. A cancelled caller waits until it is over, if it has begun."""
        future = self._started().submit(step)
        return await _result(future, stop=future.cancel)

    async def run_all(self, steps: Iterable[Callable[[], object]], /) -> None:
        """Run steps until all are over, or one fails. A cancelled caller waits for those that have begun."""
        turns = _Turns(steps, self._started(), self._width)
        await _result(turns.over, stop=turns.stop)

    def close(self) -> None:
        """End the threads after the steps they were given. A later step starts them again."""
        if self._executor is not None and self._process == os.getpid():
            self._executor.shutdown(wait=False)
        self._executor = None

    def _started(self) -> ThreadPoolExecutor:
        """The child of a fork has no threads, and starts its own."""
        if self._executor is None or self._process != os.getpid():
            self._process = os.getpid()
            self._executor = ThreadPoolExecutor(self._width, self._name, initializer=self._at_start)
        return self._executor


class _Turns:
    """Steps of one call. After each, its thread goes to the next caller in line, so that a long call holds up no other.

    The event loop is woken once, when all steps are over. Woken after each, its timers would be late: asyncio waits in
    whole milliseconds, and after an interruption it begins to wait anew.
    """

    def __init__(self, steps: Iterable[Callable[[], object]], executor: ThreadPoolExecutor, width: int) -> None:
        self.over: Future[None] = Future()
        self._executor = executor
        self._left = deque(steps)
        self._running = 0
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        if not self._left:
            self.over.set_result(None)
        for _ in range(min(width, len(self._left))):
            executor.submit(self._turn)

    def stop(self) -> bool:
        """Begin no further step. False if some are still running."""
        with self._lock:
            nothing_begun = bool(self._left) and not self._running
            self._left.clear()
        if nothing_begun:
            self.over.set_result(None)
        return self.over.done()

    def _turn(self) -> None:
        while (step := self._next()) is not None:
            self._run(step)
            try:
                self._executor.submit(self._turn)
            except RuntimeError:
                continue  # closed: the threads take no more steps, and this one ends the call
            return

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            if not self._left:
                return None
            self._running += 1
            return self._left.popleft()

    def _run(self, step: Callable[[], object]) -> None:
        error: BaseException | None = None
        try:
            step()
        except BaseException as raised:  # noqa: BLE001  # as an executor does: it is the caller's
            error = raised
        with self._lock:
            self._running -= 1
            if error is not None:
                self._left.clear()
                self._error = self._error or error
            if self._left or self._running:
                return
        if self._error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(self._error)


async def _result(future: Future[T], *, stop: Callable[[], bool]) -> T:
    """The result of a future. A cancelled caller stops it, and waits for its end if that takes a while."""
    done = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if not stop():
            with anyio.CancelScope(shield=True):
                await asyncio.wait([done])
        raise


def _give_way() -> None:
    if os.name == "posix" and os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
