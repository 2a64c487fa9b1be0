"""An event loop in a thread, and calls on it for which other threads wait.

A call costs two switches between threads. ``asyncio.run_coroutine_threadsafe`` does the same with a future on each
side, chained together, which takes three times as long.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from aembed._errors import ClosedError
from aembed._sync.waker import waker

T = TypeVar("T")

JOIN_S = 10.0
"""Seconds that the end of a loop may take: a connection that does not close must not keep a program from ending."""
WAKE_S = 0.1 if sys.platform == "win32" else -1
"""Longest wait in one piece, in seconds. On Windows Ctrl-C does not interrupt it; elsewhere it does: -1, no limit."""


class ThreadCall(Generic[T]):
    """A coroutine that runs on a loop thread."""

    __slots__ = ("_context", "_coroutine", "_ended", "_error", "_result", "_task", "_thread")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._context = contextvars.copy_context()  # a span that a listener makes has the caller's as its parent
        self._thread: LoopThread | None = None
        self._task: asyncio.Task[None] | None = None
        self._result: T
        self._error: BaseException | None = None
        self._ended = threading.Lock()  # the cheapest thing that one thread waits for and another one releases
        self._ended.acquire()

    @property
    def is_submitted(self) -> bool:
        return self._thread is not None

    def submit(self, thread: LoopThread) -> bool:
        """Begin. False if the loop is ending: the call belongs on the next one."""
        thread.calls.add(self)
        if not thread.is_ending:  # read after the call was added, as `end_if_idle` reads the calls after setting it
            self._thread = thread
            thread.start(self)
            return True
        thread.calls.discard(self)
        return False

    def cancel(self) -> None:
        """Ask the call to end. It may have ended already."""
        if self._thread is not None:
            self._thread.do(self._thread.start_submitted)
            self._thread.do(self._cancel)

    def wait(self) -> None:
        """Block until the call has ended."""
        while not self._ended.acquire(timeout=WAKE_S):
            pass
        self._ended.release()

    def wait_for(self, seconds: float) -> None:
        """Block until the call has ended, or for so long."""
        if self._ended.acquire(timeout=seconds):
            self._ended.release()

    def result(self) -> T:
        """Block until the call has ended. Return its result, or raise its error."""
        self.wait()
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # its traceback holds this call: a cycle would keep vectors alive

    def discard(self) -> None:
        """Free what the coroutine holds: it will not run."""
        self._coroutine.close()

    def abandon(self) -> None:
        """End a call that the loop does not run any more, or never began."""
        self._coroutine.close()
        self._end(ClosedError("the call was cancelled, or its event loop ended, before its end. Repeat the call."))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs on the loop thread. From Python 3.12 on a call that need not wait ends within."""
        if sys.version_info >= (3, 12):
            task = asyncio.Task(self._run(), loop=loop, context=self._context, eager_start=True)
        else:
            task = loop.create_task(self._run(), context=self._context)
        if not task.done():
            self._task = task

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.add_done_callback(self._cancelled)
            self._task.cancel()

    def _cancelled(self, _: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first step never enters its coroutine."""
        if self._task is not None:
            self.abandon()

    async def _run(self) -> None:
        """Reports the end itself: a callback of the task would come a turn of the loop later."""
        try:
            self._result = await self._coroutine
        except asyncio.CancelledError:
            self._end(ClosedError("the call was cancelled before its end. Repeat the call."))
        except BaseException as error:
            self._end(error)
            if not isinstance(error, Exception):  # KeyboardInterrupt or SystemExit: they end the loop as well
                raise
        else:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._error = error
        self._task = None
        if self._thread is not None:
            self._thread.calls.discard(self)
        self._ended.release()


class LoopThread:
    """An event loop in a daemon thread. ``calls`` are in flight on it, or submitted to it."""

    def __init__(self) -> None:
        # A runner without a loop factory would change the event loop of the thread that makes it.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.loop = self._runner.get_loop()
        self.calls: set[ThreadCall[Any]] = set()
        self.is_ending = False
        self._stop = asyncio.Event()
        self._submitted: deque[ThreadCall[Any]] = deque()
        self._is_woken = False
        self._wake = waker(self.loop, self.start_submitted)
        self._thread = threading.Thread(target=self._run, name="aembed", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._runner.close()
            raise

    @property
    def is_current(self) -> bool:
        """True in code that runs on this thread."""
        return threading.get_ident() == self._thread.ident

    def start(self, call: ThreadCall[Any]) -> None:
        """Start a call on the loop. Calls of many threads share one wake-up, which is a system call."""
        self._submitted.append(call)
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop is closed: the call has ended it, or is abandoned
                self._wake()

    def do(self, callback: Callable[..., object], *args: Any) -> None:
        """Call back on the loop thread, unless the loop has ended."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *args)

    def end_if_idle(self) -> bool:
        """End the loop and its thread. False if calls are in flight, or it does not end in time."""
        if self.is_current:
            return False
        self.is_ending = True
        if self.calls:
            self.is_ending = False
            return False
        self.end()
        return not self._thread.is_alive()

    def end(self) -> None:
        """Cancel the calls in flight, and end the loop and its thread."""
        self.is_ending = True
        self.do(self._stop.set)
        self.join()

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join(JOIN_S)

    def start_submitted(self) -> None:
        """Runs on the loop thread."""
        self._is_woken = False  # before the last look: a call submitted from now on wakes the loop again
        while self._submitted:
            self._submitted.popleft().start(self.loop)

    def _run(self) -> None:
        try:
            with self._runner, suppress(KeyboardInterrupt, SystemExit):  # of a listener: they end a loop, and reach
                try:  # the thread that waits for the call
                    self._runner.run(self._stop.wait())
                finally:
                    self.is_ending = True
        finally:
            for call in list(self.calls):
                call.abandon()
