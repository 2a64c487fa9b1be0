"""One timeout for many blocks of code with a single timer; and a stopwatch.

Every block gets the same seconds, so the oldest block is always the next to expire: a queue, and a timer for its head.
``asyncio.timeout`` sets a timer for each block; otherwise a scope behaves as it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType

import anyio.lowlevel

LOOP_STEP_S = 0.002
"""uvloop counts whole milliseconds: so far its clock may be ahead of the machine's."""


class SharedTimeout:
    """``with timeout.scope(): ...`` raises TimeoutError once the block has taken ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.open: dict[TimeoutScope, None] = {}
        """Oldest first."""
        self.timer: asyncio.TimerHandle | None = None

    def scope(self, loop: asyncio.AbstractEventLoop | None = None) -> TimeoutScope:
        """``loop``: the running one, where it is known. To ask for it is a system call before Python 3.12."""
        return TimeoutScope(self, loop)

    def set_timer(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        self.timer = loop.call_at(due, self._ring, due, loop)

    def _ring(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        """The scope that the timer was set for has often been left by now: then it is set for the oldest."""
        self.timer = None
        now = max(due, loop.time())
        for scope in list(self.open):
            if scope.due > now:
                self.set_timer(scope.due, loop)
                break
            scope.expire()


class TimeoutScope:
    """Cancels its task once, and turns that cancellation, but no other, into a TimeoutError on the way out."""

    __slots__ = ("_cancelling", "_loop", "_task", "_timeout", "due", "expired")

    def __init__(self, timeout: SharedTimeout, loop: asyncio.AbstractEventLoop | None) -> None:
        self.due: float
        """Time of the loop's clock at which it expires, once entered."""
        self.expired = False
        """The time was over before the block had ended: only then a TimeoutError is the scope's."""
        self._timeout = timeout
        self._loop = loop

    def __enter__(self) -> None:
        loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)  # without `loop` it asks for it again: before Python 3.12 a system call
        assert task is not None, "only a task can be cancelled"
        self._task = task
        self._cancelling = task.cancelling()
        timeout = self._timeout
        self.due = loop.time() + timeout.seconds
        timeout.open[self] = None
        if timeout.timer is None:
            timeout.set_timer(self.due, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        timeout = self._timeout
        del timeout.open[self]
        if not timeout.open and timeout.timer is not None:
            timeout.timer.cancel()
            timeout.timer = None
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    async def give_way(self) -> None:
        """Let an outer cancel scope of anyio that is cancelled as well cancel the task in its own name.

        anyio recognises its cancellations by their message. If one comes while this scope's is on its way, asyncio
        delivers a single CancelledError, with this scope's message: anyio would not catch it, and the caller would get
        a cancellation that none of its scopes asked for. Call it while handling the CancelledError.
        """
        if self.expired:
            await anyio.lowlevel.checkpoint_if_cancelled()

    def expire(self) -> None:
        if not self.expired:
            self.expired = True
            self._task.cancel()


class Stopwatch:
    """Seconds since it was made, on the machine's clock, or on the event loop's where that is a virtual one."""

    def __init__(self) -> None:
        self._loop_time = _loop_time()
        self._loop_started = self._loop_time()
        self._started = time.perf_counter()

    def elapsed(self) -> float:
        real, on_loop = time.perf_counter() - self._started, self._loop_time() - self._loop_started
        return on_loop if on_loop > real + LOOP_STEP_S else real


def _loop_time() -> Callable[[], float]:
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:  # as under trio: the call is about to be rejected
        return time.monotonic
