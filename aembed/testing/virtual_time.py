"""An event loop on which time passes only when nothing else can happen: an hour of waiting costs milliseconds.

    def test_backoff():
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())          # loop.time() and anyio.current_time() are exact, to the nanosecond

Work in worker threads and real sockets takes no virtual time: the loop waits for threads it knows nothing about by
advancing its clock, so tests that mix the two do not mean what they seem to.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import Any

RESOLUTION = 1e-9
"""The least the clock advances in one step, in seconds: no timer can make it stand still."""


class _VirtualSelector(selectors.DefaultSelector):
    """Never blocks; the time it would have slept is added to ``now`` instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        if not ready and timeout is None:
            return super().select(None)  # no timer is set: only the outside can wake us
        if not ready and timeout is not None and timeout > 0:
            self.now += max(timeout, RESOLUTION)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For ``asyncio.Runner(loop_factory=...)``, or anyio's ``("asyncio", {"loop_factory": VirtualTimeLoop})``."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    @property
    def _clock_resolution(self) -> float:
        """Timers this close are due. Never less than a float can tell apart, or a late timer would never be."""
        return max(RESOLUTION, 2 * math.ulp(self.time()))

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """Asyncio sets that of the real clock."""

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now
