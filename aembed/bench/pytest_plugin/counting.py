"""Counts and times of one operation, on the loop it runs on."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from types import FrameType

from aembed.bench.micro.cost import COUNTED, count
from aembed.bench.pytest_plugin.setting import called_packages, loop_name
from aembed.bench.subject import Subject, one

MOST_PASSES = 5
"""Passes at most: counts that five passes do not agree on are those of an operation that varies."""
FEWEST_ROUNDS = 5
"""Timed rounds of an operation, at least."""
MOST_ROUNDS = 1000
"""Limits of the number of timed operations; between them, the time for the export decides."""


@dataclass(frozen=True, slots=True)
class OperationCounts:
    """Counts per operation of each pass, and the setting they depend on."""

    passes: tuple[dict[str, float], ...]
    loop: str
    packages: dict[str, str]
    """Versions of the installed packages that the operation calls, by name."""
    seconds: tuple[float, ...]
    """One for each timed operation; empty unless times were asked for."""

    def values(self, counter: str) -> list[float]:
        """Different counts among the passes, ascending."""
        return sorted({counts[counter] for counts in self.passes})

    @property
    def counts(self) -> dict[str, float | None]:
        """Count per operation by counter; None where the passes differ."""
        return {name: found[0] if len(found := self.values(name)) == 1 else None for name in COUNTED}


async def measure(subject: Subject, operations: int, warm: int, passes: int, timed: float) -> OperationCounts:
    """Count in this process and the running loop; then time operations for ``timed`` seconds.

    Passes that differ are repeated up to MOST_PASSES times. An exception of the operation is raised as it is.
    """
    await one(subject)
    found: list[dict[str, float]] = []
    while len(found) < passes or (len(found) < MOST_PASSES and any(counts != found[0] for counts in found)):
        # one task for each pass: only one coroutine of the runner is then resumed with the operation
        totals = await asyncio.create_task(count(subject, operations, 1 if found else warm))
        found.append({name: totals[name] / operations for name in COUNTED})
    loop = asyncio.get_running_loop()
    packages = called_packages(await _modules(subject), loop)
    return OperationCounts(tuple(found), loop_name(loop), packages, await _times(subject, timed))


async def _modules(subject: Subject) -> set[str]:
    """Names of the installed modules that one operation calls."""
    names: set[str] = set()

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and ("site-packages" in file or "dist-packages" in file):
            names.add(frame.f_globals.get("__name__", ""))

    other_profiler = sys.getprofile()
    sys.setprofile(profile)
    try:
        await subject.call()
    finally:
        sys.setprofile(other_profiler)
    return names


async def _times(subject: Subject, timed: float) -> tuple[float, ...]:
    seconds: list[float] = []
    end = time.perf_counter() + timed
    while timed and len(seconds) < MOST_ROUNDS and (len(seconds) < FEWEST_ROUNDS or time.perf_counter() < end):
        begun = time.perf_counter()
        await subject.call()
        seconds.append(time.perf_counter() - begun)
    return tuple(seconds)
