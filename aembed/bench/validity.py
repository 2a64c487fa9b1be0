"""Whether a run under load says something about its subject, or about the generator and the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import numpy as np

from aembed.bench.estimates import Distribution
from aembed.bench.load import OpenLoop
from aembed.bench.result import Verdict
from aembed.bench.run import Flown, fly
from aembed.bench.scenario import Subject
from aembed.bench.settings import Settings
from aembed.bench.under_load import LoopUse, Stall, Window

LATE = 0.01
"""Seconds: a schedule is kept if 99 % of its requests start less late than this."""
OWN = 0.5
"""Share of the loop's thread that the generator may take for itself at most."""
TAKEN = 0.005
"""Share of a run in which the machine may have stood still."""
QUEUED = 0.1
"""Share of a run in which the loop's thread may have waited for a core."""
CALIBRATION = 2000
"""Requests, three times."""
SPACING = 20_000
"""Nanoseconds between them: as close as they come where the limit is looked for, and not all at once."""


async def judge(
    flown: Flown,
    *,
    lag: Distribution,
    windows: Sequence[Window],
    stalls: Sequence[Stall],
    loop: LoopUse | None,
    settings: Settings,
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and what a reader should know besides."""
    notes, reasons, possible = [], [], None
    seconds = flown.seconds if loop is None else loop.seconds
    if flown.deaf:
        notes.append(f"{flown.deaf} requests went on although they were cancelled")
    stood = sum(stall.seconds for stall in stalls if stall.cause == "machine")
    if stood > TAKEN * seconds:
        reasons.append(f"the machine stood still, or let others run, for {stood:.3g} s of {seconds:.3g} s")
    elif loop is not None and loop.queued is not None and loop.queued > QUEUED * seconds:
        reasons.append(f"the loop's thread waited for a core for {loop.queued:.3g} s of {seconds:.3g} s")
    p99 = lag.at(0.99).value
    if lag.count and (p99 is None or p99 > LATE):
        cost = 0.0 if loop is None else await generator_cost()  # virtual time costs nothing
        rate = max(window.offered / window.seconds for window in windows)
        if cost * rate > OWN:
            possible = OWN / cost
            reasons.append(
                f"{rate:,.0f} requests/s are beyond what this machine can offer; it can do {possible:,.0f}/s"
            )
        elif flown.peak_in_flight >= settings.max_in_flight:
            notes.append(f"all {settings.max_in_flight} places (max_in_flight) were taken, and requests waited for one")
        elif not reasons:
            busy = (
                "" if loop is None or loop.cpu is None else f"; its thread used {loop.cpu / loop.seconds:.0%} of a core"
            )
            late = (
                "more than a percent of all never started" if p99 is None else f"p99 of the lag is {p99 * 1e3:.3g} ms"
            )
            notes.append(f"{late}: the subject holds up the loop it runs in{busy}")
    if not reasons:
        return Verdict(), tuple(notes)
    return Verdict(state="invalid", reasons=tuple(reasons), possible_rate=possible), tuple(notes)


async def generator_cost() -> float:
    """CPU seconds that one request costs here if the subject does nothing: the best of three short bursts."""

    async def nothing() -> None:
        pass

    best = float("inf")
    for _ in range(3):
        driver = OpenLoop(Subject(nothing), np.arange(CALIBRATION) * SPACING, Settings())
        await asyncio.sleep(0)
        before = time.thread_time()
        await fly(driver, CALIBRATION * SPACING / 1e9, Settings())
        best = min(best, (time.thread_time() - before) / CALIBRATION)
    return best
