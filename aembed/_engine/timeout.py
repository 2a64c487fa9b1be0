"""One time limit for many blocks of code, and one timer for all of them; and the time that has passed.

Every block gets the same seconds, so the oldest is always the next whose time is up: a queue, and a timer for its head.
``asyncio.timeout`` sets a timer for each block; otherwise this does what it does.
"""

from __future__ import annotations

import asyncio
import math
import time
from types import TracebackType

LOOP_STEP_S = 0.002
"""uvloop counts whole milliseconds: so far its clock may be ahead of the machine's."""


class SharedTimeout:
    """``with limit.block(): ...`` cancels the block after ``seconds``, and execution goes on behind it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: dict[TimeoutScope, None] = {}
        """Oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def block(self) -> TimeoutScope:
        return TimeoutScope(self)

    def enter(self, block: TimeoutScope, loop: asyncio.AbstractEventLoop) -> None:
        block.due = loop.time() + self.seconds
        self._open[block] = None
        if self._timer is None:
            self._set(block.due, loop)

    def leave(self, block: TimeoutScope) -> None:
        del self._open[block]
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_at(due, self._ring, due, loop)

    def _ring(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        """Whoever it was set for has often left by now: then it is set for whoever is the oldest."""
        self._timer = None
        now = max(due, loop.time())
        for block in list(self._open):
            if block.due > now:
                self._set(block.due, loop)
                break
            block.expire()


class TimeoutScope:
    """Cancels its task once, and takes that cancellation back on the way out, but nobody else's."""

    __slots__ = ("_cancelling", "_expired", "_limit", "_task", "due")

    def __init__(self, limit: SharedTimeout) -> None:
        self._limit = limit
        self._expired = False
        self.due = math.inf

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(
            loop
        )  # which would ask for the loop again, and before Python 3.12 that is a syscall
        assert task is not None, "only a task can be cancelled"
        self._task = task
        self._cancelling = task.cancelling()
        self._limit.enter(self, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._limit.leave(self)
        if not self._expired:
            return False
        return self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError

    def expire(self) -> None:
        if not self._expired:
            self._expired = True
            self._task.cancel()


class Stopwatch:
    """Seconds since it was made, on the machine's clock, or on the event loop's where that is a virtual one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_started = self._loop.time()
        self._started = time.perf_counter()

    def elapsed(self) -> float:
        real, on_loop = time.perf_counter() - self._started, self._loop.time() - self._loop_started
        return on_loop if on_loop > real + LOOP_STEP_S else real
