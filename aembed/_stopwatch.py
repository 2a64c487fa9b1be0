"""Seconds that have passed, on the machine's clock, or on the event loop's where that is a virtual one."""

from __future__ import annotations

import asyncio
import time

LOOP_STEP_S = 0.002
"""uvloop counts whole milliseconds: so far its clock may be ahead of the machine's."""


class Stopwatch:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_started = self._loop.time()
        self._started = time.perf_counter()

    def elapsed(self) -> float:
        real, on_loop = time.perf_counter() - self._started, self._loop.time() - self._loop_started
        return on_loop if on_loop > real + LOOP_STEP_S else real
