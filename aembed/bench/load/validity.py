"""The verdict on a run under load: a statement about its subject, or about the generator and the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from aembed.bench.load.drivers import OpenLoop
from aembed.bench.load.run import RunResult, execute
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import Verdict
from aembed.bench.model.under_load import WRONG_RESULT, Failure, LoopUse, RunWindow, Stall, Traffic
from aembed.bench.model.work import Work
from aembed.bench.settings import RunSettings
from aembed.bench.subject import Subject

MAX_LATE_S = 0.01
"""Seconds: a schedule is kept if 99 % of its requests start less late than this."""
MAX_GENERATOR_SHARE = 0.5
"""Share of the loop's thread that the generator may take for itself at most."""
MAX_TAKEN_SHARE = 0.005
"""Share of a run in which the machine may not have run the loop."""
MAX_QUEUED_SHARE = 0.1
"""Share of a run in which the loop's thread may have waited for a core."""
MAX_KINDS_NAMED = 5
"""Kinds of failures that a verdict names, the most frequent ones."""
CALIBRATION_REQUESTS = 2000
"""Requests, three times."""
CALIBRATION_SPACING_NS = 20_000
"""Nanoseconds between them: as close as they come where the limit is looked for, and not all at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbances:
    """Disturbances of a run by the machine and the generator, in sentences."""

    reasons: tuple[str, ...] = ()
    """Each of them voids the run."""
    notes: tuple[str, ...] = ()
    possible_rate: float | None = None
    """Requests per second that the generator could have offered, where the rate was beyond it."""


def judge(
    result: RunResult, traffic: Traffic, found: Disturbances, settings: RunSettings
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, and notes for the reader.

    Errors and wrong results always count against the subject; missing answers do only if the machine kept up.
    """
    reasons, notes = found.reasons, found.notes
    if result.ignored_cancellation:
        notes = (f"{result.ignored_cancellation} requests went on although they were cancelled", *notes)
    if not traffic.offered:
        reason = f"no request was due within {traffic.seconds:.3g} s"
        return Verdict(state="inconclusive", reasons=(*reasons, reason)), notes
    allowed = (1 - settings.floor) * traffic.offered + 1e-9
    if traffic.failed + traffic.wrong > allowed or (traffic.offered - traffic.ok > allowed and not reasons):
        return Verdict(state="failed", reasons=(failures_of(traffic, settings.floor),)), (*notes, *reasons)
    if reasons:
        return Verdict(state="invalid", reasons=reasons, possible_rate=found.possible_rate), notes
    return Verdict(), notes


def failures_of(traffic: Traffic, min_good: float) -> str:
    """Such as "3 of 300 requests were good (1 %, at least 99 % must be): 297 ConnectionResetError".

    The kind of a wrong result says nothing, so that the problem of the first one is added.
    """
    kinds = ", ".join(_counted(failure) for failure in traffic.failures[:MAX_KINDS_NAMED])
    more = (
        f" and {len(traffic.failures) - MAX_KINDS_NAMED} other kinds" if len(traffic.failures) > MAX_KINDS_NAMED else ""
    )
    share = 100 * traffic.ok / max(1, traffic.offered)
    return (
        f"{traffic.ok:,} of {traffic.offered:,} requests were good "
        f"({share:.4g} %, at least {100 * min_good:.4g} % must be): {kinds}{more}"
    )


def with_causes(verdict: Verdict, work: Work | None) -> Verdict:
    """A failed run of an embedder with the errors behind it: most of its calls wait for a server that is down."""
    if verdict.state != "failed" or work is None or not work.errors:
        return verdict
    kinds = [f"{count:,} {kind}" for kind, count in work.errors.items()]
    more = f" and {len(kinds) - MAX_KINDS_NAMED} other kinds" if len(kinds) > MAX_KINDS_NAMED else ""
    first = f"{verdict.reasons[0]}; requests to the provider failed: {', '.join(kinds[:MAX_KINDS_NAMED])}{more}"
    return replace(verdict, reasons=(first, *verdict.reasons[1:]))


def _counted(failure: Failure) -> str:
    if failure.kind != WRONG_RESULT:
        return f"{failure.count:,} {failure.kind}"
    return f"{failure.count:,} wrong result{'' if failure.count == 1 else 's'}, the first: {failure.example}"


async def disturbances(
    result: RunResult,
    *,
    lag: Distribution,
    windows: Sequence[RunWindow],
    stalls: Sequence[Stall],
    loop: LoopUse | None,
    settings: RunSettings,
    taken: float = MAX_TAKEN_SHARE,
) -> Disturbances:
    """Disturbances by machine or generator, notes, and the possible rate.

    ``taken`` is the share of the run in which the machine may not have run the loop.
    """
    notes: list[str] = []
    reasons: list[str] = []
    possible = None
    seconds = result.seconds if loop is None else loop.seconds
    stood = sum(stall.seconds for stall in stalls if stall.cause == "descheduled")
    if stood > taken * seconds:
        reasons.append(f"the machine stopped, or ran other programs, for {stood:.3g} s of {seconds:.3g} s")
    elif loop is not None and loop.queued is not None and loop.queued > MAX_QUEUED_SHARE * seconds:
        reasons.append(f"the loop's thread waited for a core for {loop.queued:.3g} s of {seconds:.3g} s")
    p99 = lag.at(0.99).value
    if lag.count and (p99 is None or p99 > MAX_LATE_S):
        cost = 0.0 if loop is None else await generator_cost()  # virtual time costs nothing
        rate = max(window.offered / window.seconds for window in windows)
        if cost * rate > MAX_GENERATOR_SHARE:
            possible = MAX_GENERATOR_SHARE / cost
            reasons.append(
                f"{rate:,.0f} requests/s are beyond what this machine can offer; it can do {possible:,.0f}/s"
            )
        elif result.peak_in_flight >= settings.max_in_flight:
            notes.append(f"all {settings.max_in_flight} places (max_in_flight) were taken, and requests waited for one")
        elif not reasons:
            late = (
                "more than a percent of all never started" if p99 is None else f"p99 of the lag is {p99 * 1e3:.3g} ms"
            )
            if loop is not None and (waited := _waited_more_than_worked(loop, stalls)) is not None:
                reasons.append(f"{late}, and the loop's thread waited for a core longer than it worked: {waited:.3g} s")
            else:
                used = "" if loop is None or loop.cpu is None else f"; its thread used {loop.cpu / loop.seconds:.0%}"
                notes.append(f"{late}: the subject holds up the loop it runs in{used and f'{used} of a core'}")
    return Disturbances(reasons=tuple(reasons), notes=tuple(notes), possible_rate=possible)


def _waited_more_than_worked(loop: LoopUse, stalls: Sequence[Stall]) -> float | None:
    """Seconds that the loop's thread waited for a core, if that is more than its work and what blocked it."""
    if loop.queued is None or loop.cpu is None:
        return None
    blocked = sum(stall.seconds for stall in stalls if stall.cause == "blocked")
    return loop.queued if loop.queued > loop.cpu + blocked else None


async def generator_cost() -> float:
    """CPU seconds that one request costs here if the subject does nothing: the best of three short bursts."""

    async def nothing() -> None:
        pass

    best = float("inf")
    for _ in range(3):
        driver = OpenLoop(Subject(nothing), np.arange(CALIBRATION_REQUESTS) * CALIBRATION_SPACING_NS, RunSettings())
        await asyncio.sleep(0)
        before = time.thread_time()
        await execute(driver, CALIBRATION_REQUESTS * CALIBRATION_SPACING_NS / 1e9, RunSettings())
        best = min(best, (time.thread_time() - before) / CALIBRATION_REQUESTS)
    return best
