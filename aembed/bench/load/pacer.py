"""Keeps an absolute schedule: reports, each time the loop is free, the number of requests that are due.

On Linux a timerfd wakes the loop, to some tens of microseconds. Timers of the loops themselves are coarser: asyncio's
are up to a millisecond late, uvloop's as much too early. A request is never started before its time, never dropped,
and a late one moves no other.

Requests that are due within one wake-up start together: gaps of the starts shorter than that, some 60 us on a quiet
machine, are not those of the schedule. At 1,000 Poisson arrivals a second this is one request of seventeen, enough
for a Kolmogorov-Smirnov test of the starts to notice. Response times are counted from the schedule, which is exact.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from aembed.bench.environment import keeps_own_time

NanosecondClock: TypeAlias = Callable[[], int]
"""Nanoseconds; only differences mean something."""


def clock_of(loop: asyncio.AbstractEventLoop) -> NanosecondClock:
    """The clock a run on ``loop`` is measured with: the best there is, or the loop's own if that is virtual."""
    if keeps_own_time(loop):
        return lambda: round(loop.time() * 1e9)
    return time.perf_counter_ns


class Pacer(Protocol):
    """One run over one schedule."""

    name: Literal["timerfd", "call_at"]
    fallback: str | None

    def start(self, schedule: memoryview, due: Callable[[int], None]) -> None:
        """Call ``due(n)`` as soon as the first ``n`` of ``schedule``, ascending times of the run's clock, are due."""

    def stop(self) -> None:
        """No more calls; the schedule need not have ended."""


def pacer_for(loop: asyncio.AbstractEventLoop) -> Pacer:
    """The best one for this loop and system."""
    if keeps_own_time(loop):
        return TimerPacer(loop, fallback=None)
    if sys.platform != "linux":
        return TimerPacer(loop, fallback=f"no timerfd on {sys.platform}: starts may be a millisecond or more late")
    try:
        return TimerfdPacer(loop)
    except OSError as error:
        return TimerPacer(loop, fallback=f"no timerfd ({error}): starts may be a millisecond or more late")


class TimerPacer:
    """By the loop's own timers: exact on virtual time, a portable fallback elsewhere."""

    name: Literal["timerfd", "call_at"] = "call_at"

    def __init__(self, loop: asyncio.AbstractEventLoop, *, fallback: str | None) -> None:
        self.fallback = fallback
        self._loop = loop
        self._clock = clock_of(loop)
        self._timer: asyncio.Handle | None = None

    def start(self, schedule: memoryview, due: Callable[[int], None]) -> None:
        self._schedule, self._due, self._passed = schedule, due, 0
        self._timer = self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        now = self._clock()
        passed = bisect_right(self._schedule, now, self._passed)
        if passed > self._passed:
            self._passed = passed
            self._due(passed)
        if self._timer is not None and passed < len(self._schedule):
            self._timer = self._loop.call_later(max(0, self._schedule[passed] - self._clock()) / 1e9, self._wake)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class TimerfdPacer:
    """By a timer of the kernel whose descriptor becomes readable at an absolute time."""

    name: Literal["timerfd", "call_at"] = "timerfd"
    fallback: str | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fd = _timerfd_create()

    def start(self, schedule: memoryview, due: Callable[[int], None]) -> None:
        self._schedule, self._due, self._passed = schedule, due, 0
        self._loop.add_reader(self._fd, self._wake)
        self._arm()

    def _wake(self) -> None:
        os.read(self._fd, 8)
        passed = bisect_right(self._schedule, time.perf_counter_ns(), self._passed)
        if passed > self._passed:
            self._passed = passed
            self._due(passed)
        self._arm()

    def _arm(self) -> None:
        if self._fd >= 0 and self._passed < len(self._schedule):
            _timerfd_settime(self._fd, max(1, self._schedule[self._passed]))  # 0 would disarm it

    def stop(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


if sys.version_info >= (3, 13) and sys.platform == "linux":

    def _timerfd_create() -> int:
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def _timerfd_settime(fd: int, at: int) -> None:
        os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=at)

else:
    _ABSOLUTE = 1
    _libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    class _Timer(ctypes.Structure):
        """struct itimerspec: interval, then first expiry."""

        _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "s", "ns")]

    def _timerfd_create() -> int:
        assert _libc is not None
        fd = int(_libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        return fd

    def _timerfd_settime(fd: int, at: int) -> None:
        assert _libc is not None
        s, ns = divmod(at, 1_000_000_000)
        if _libc.timerfd_settime(fd, _ABSOLUTE, ctypes.byref(_Timer(0, 0, s, ns)), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
