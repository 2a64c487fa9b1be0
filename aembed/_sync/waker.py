"""Wakes an event loop that another thread runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from weakref import finalize


def waker(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> Callable[[], object]:
    """Returns a function, for any thread, after which the loop calls back once or more. RuntimeError: it is closed.

    ``call_soon_threadsafe`` costs three system calls, a handle and an exception each time, an eventfd two calls.
    """
    if sys.platform != "linux":
        return lambda: loop.call_soon_threadsafe(callback)
    return _EventFd(loop, callback)


class _EventFd:
    """Wakes a loop through the counter of an eventfd.

    The descriptor is open for as long as this object: closed earlier, its number could be that of another file when a
    thread that is late writes to it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
        self._loop = loop
        self._callback = callback
        self._file = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        finalize(self, os.close, self._file).atexit = False
        loop.add_reader(self._file, self._woken)

    def __call__(self) -> None:
        os.eventfd_write(self._file, 1)
        if self._loop.is_closed():
            raise RuntimeError("the event loop is closed")

    def _woken(self) -> None:
        os.eventfd_read(self._file)
        self._callback()
