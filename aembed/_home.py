"""The event loop that a factory and all it has made live on: one at a time.

Gates, flights and timers belong to one loop, and a thread must not touch those of another. When the loop has ended, or
in the child of a fork, the next one that asks takes over, and makes connections of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

from aembed._errors import EventLoopError

OTHER = "belongs to another event loop, which is still open; make a factory in each thread, or each loop, of your own"
NONE = "needs asyncio, and no asyncio event loop is running here; under anyio choose its asyncio backend, not trio"
CUT_OFF = "had calls under way when its event loop was closed, or its process forked; make a new factory"


def running_loop(owner: str) -> asyncio.AbstractEventLoop:
    """asyncio's. Raises :class:`EventLoopError` where another library runs, such as trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise EventLoopError(f"{owner} {NONE}") from None


class Home:
    """``enter`` at the beginning of each call. ``busy`` says if calls are under way."""

    __slots__ = ("_busy", "_lock", "_loop", "_process")

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()

    def enter(self, owner: str) -> asyncio.AbstractEventLoop:
        """The running loop. Raises :class:`EventLoopError` on one that is not the one, or where there is none."""
        loop = running_loop(owner)
        if loop is not self._loop:
            self._move_to(loop, owner)
        return loop

    def _move_to(self, loop: asyncio.AbstractEventLoop, owner: str) -> None:
        with self._lock:
            process = os.getpid()
            if self._loop is not None:
                if process == self._process and not self._loop.is_closed():
                    raise EventLoopError(f"{owner} {OTHER}")
                if self._busy():
                    raise EventLoopError(f"{owner} {CUT_OFF}")
            self._loop, self._process = loop, process
