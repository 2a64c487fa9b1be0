"""An event loop whose clock runs only while the loop waits: what a subject computes takes no time on it.

Work that depends on the clock, such as counting requests by the minute, then comes at the same operation on every run,
however busy the machine is. Waiting takes its usual time, so timers, sockets and threads work.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Any


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        begun = time.perf_counter()
        ready: list[Any] = super().select(timeout)
        if timeout is None:
            self.now += time.perf_counter() - begun
        elif timeout > 0:  # a full wait is as long as it was meant to be
            self.now += min(timeout, time.perf_counter() - begun) if ready else timeout
        return ready


class FrozenClockLoop(asyncio.SelectorEventLoop):
    """An event loop for ``asyncio.Runner(loop_factory=...)``."""

    def __init__(self) -> None:
        self._selector_with_clock = _Selector()
        super().__init__(self._selector_with_clock)

    def time(self) -> float:
        """Seconds the loop has waited, and those added by :meth:`pass_`."""
        return self._selector_with_clock.now

    def pass_(self, seconds: float) -> None:
        """Let the clock run on by so much at once."""
        self._selector_with_clock.now += seconds
