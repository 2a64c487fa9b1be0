"""An event loop on which time passes only when nothing else can happen: an hour of waiting costs milliseconds.

    def test_backoff():
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())          # loop.time() and anyio.current_time() are exact, to the nanosecond

Work in worker threads and real sockets takes no virtual time: the loop waits for threads it knows nothing about by
advancing its clock, so tests must not mix the two.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")

RESOLUTION_S = 1e-9
"""The least the clock advances in one step, in seconds, as far as a float can resolve it."""


class _VirtualSelector(selectors.DefaultSelector):
    """Never blocks; the time it would have slept is added to ``now`` instead."""

    now = 0.0

    @property
    def resolution(self) -> float:
        return max(RESOLUTION_S, 2 * math.ulp(self.now))

    def select(self, timeout: float | None = None) -> list[Any]:
        ready: list[Any] = super().select(0)
        if not ready and timeout is None:
            return super().select(None)  # no timer is set: only the outside can wake us
        if not ready and timeout is not None and timeout > 0:
            self.now += max(timeout, self.resolution)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Use: ``asyncio.Runner(loop_factory=...)``, or anyio's ``("asyncio", {"loop_factory": VirtualTimeLoop})``."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        super().__init__(self._virtual)

    @property
    def _clock_resolution(self) -> float:
        """Timers this close are due."""
        return self._virtual.resolution

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """Asyncio sets that of the real clock."""

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A timer that is due already still takes the least of times, as it does on any real clock.

        Else one that is set again until time has passed, as rate limiters do, would run for ever.
        """
        soonest = self.time() + self._virtual.resolution / 2  # due at once, and yet a wait if there is nothing else
        return super().call_at(max(when, soonest), callback, *args, context=context)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual.now

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for its threads without a timeout, which would pass at once: nothing else happens at the end."""
        await super().shutdown_default_executor()
