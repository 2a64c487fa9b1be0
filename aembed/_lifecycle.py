"""The event loop that a factory and its embedders are bound to, and the calls in flight on it.

Gates, shared calls and timers belong to one loop, and a thread must not touch those of another. When that loop is
closed, or in the child of a fork, the next loop that calls takes over, with new connections. Closing rejects new calls,
waits for those in flight, and cancels those that take too long.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, TypeAlias

import anyio

from aembed._errors import ClosedError, EventLoopError

OTHER_LOOP = "is bound to another event loop, which is still open; make one EmbedderFactory per event loop"
CUT_OFF = "had calls in flight when its event loop was closed, or its process forked; make a new factory"

Clock: TypeAlias = Callable[[], float]

SAME_CLOCK_S = 1.0
"""A loop whose clock is this close to the machine's runs on it. A virtual clock starts at another time."""


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """The machine's finest clock, since uvloop's counts milliseconds; or that of a loop on which time is virtual."""
    return time.perf_counter if abs(loop.time() - time.monotonic()) < SAME_CLOCK_S else loop.time


class LoopAffinity:
    """Binds its owner to the loop of the first call. While ``busy``, no other loop may take over."""

    __slots__ = ("_busy", "_lock", "_process", "clock", "loop")

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of the last call: that of all calls in flight."""
        self.clock: Clock = time.perf_counter
        """The clock of that loop."""
        self._process = os.getpid()

    def enter(self, owner: str) -> asyncio.AbstractEventLoop:
        """Begin a call: returns the running loop. Raises :class:`EventLoopError` on another loop, or without one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise EventLoopError.none_running(owner) from None
        if loop is not self.loop:
            self._move_to(loop, owner)
        return loop

    def _move_to(self, loop: asyncio.AbstractEventLoop, owner: str) -> None:
        with self._lock:
            process = os.getpid()
            if self.loop is not None:
                if process == self._process and not self.loop.is_closed():
                    raise EventLoopError(f"{owner} {OTHER_LOOP}")
                if self._busy():
                    raise EventLoopError(f"{owner} {CUT_OFF}")
            self.loop, self._process, self.clock = loop, process, clock_of(loop)


class ActiveCalls:
    """``with calls:`` around each call; ``await calls.drain(grace)``, to close."""

    __slots__ = ("_cut_off", "_idle", "_owner", "_tasks", "closed", "home")

    def __init__(self, owner: str, home: LoopAffinity) -> None:
        self.closed = False
        self.home = home
        """Knows the loop of the calls in flight."""
        self._owner = owner
        self._tasks: dict[asyncio.Task[object] | None, int] = {}
        """Task -> its calls in flight: more than one where a provider calls the embedder it belongs to."""
        self._cut_off: set[asyncio.Task[object] | None] = set()
        self._idle: anyio.Event | None = None

    def __enter__(self) -> None:
        if self.closed:
            raise ClosedError(f"{self._owner} is closed; make a new one")
        task = asyncio.current_task(self.home.enter(self._owner))
        self._tasks[task] = self._tasks.get(task, 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self.home.loop)  # without it a system call finds the loop, before Python 3.12
        left = self._tasks.pop(task) - 1
        if left:
            self._tasks[task] = left
            return
        if self._idle is not None and not self._tasks:
            self._idle.set()
        if task is not None and task in self._cut_off:
            self._cut_off.discard(task)
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise ClosedError(f"{self._owner} was closed, and did not wait for this call any longer") from None

    def clock(self) -> Clock:
        """The clock for a call that begins now, even if it is about to be rejected: on another loop, or under trio."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return time.perf_counter
        return self.home.clock if loop is self.home.loop else clock_of(loop)

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    async def drain(self, grace: float | None) -> None:
        """Reject new calls and wait until those in flight have ended. After ``grace`` seconds they are cancelled."""
        self.closed = True
        if not self._tasks:
            return
        self._idle = self._idle or anyio.Event()
        with anyio.move_on_after(grace):
            await self._idle.wait()
        for task in self._tasks.keys() - self._cut_off:
            if task is not None:
                self._cut_off.add(task)
                task.cancel()
        await self._idle.wait()


class Bound:
    """Root of classes that hold connections, tasks or locks."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"{name} belongs to this process and cannot be copied or pickled; make one where it is used")
