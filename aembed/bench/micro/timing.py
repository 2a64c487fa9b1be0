"""Operations of microseconds, one after the other: in blocks long enough to time, in fresh processes, warmed up."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aembed import InputError
from aembed.bench.discovery import fresh_case
from aembed.bench.load.heap import heap_frozen
from aembed.bench.micro.blocks import CalibratedBlock, InProcess, Timing, calibrated
from aembed.bench.micro.process import LoopName, alone
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.objectives import Goal, Judgement, ObjectiveState
from aembed.bench.model.one_at_a_time import Micro
from aembed.bench.model.result import Report, Verdict
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target, declared_goals
from aembed.bench.settings import positive, unless
from aembed.bench.slo import Slo, goals_for, sentence
from aembed.bench.stats.sample import processes_interval
from aembed.bench.subject import Subject, SubjectError

MIN_BLOCKS = 5
"""Blocks of a process, at least."""
WARM_UP_BLOCKS = 5
"""Blocks whose median is compared with that of as many before them."""
GAIN_OF_WARM_UP = 0.02
"""Relative gain from which on it is still getting faster."""
MAX_WARM_UP_S = 2.0
"""Seconds."""
NOISY_SHARE = 0.1
"""Share of the time that other programs may take before or after it: a quiet machine loses less than a percent."""
WIDE_HALF_INTERVAL = 0.1
"""Half of an interval, relative to the value: a noisy machine alone makes it that wide."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Measurements of one process: seconds per operation, in order."""

    wall: list[float]
    cpu: list[float]
    operations: int
    warm: bool
    """The warm-up ended because it no longer got faster."""


async def micro(
    target: Target,
    *,
    processes: int = 5,
    seconds: float = 0.5,
    name: str | None = None,
    slo: Slo = (),
    stop: asyncio.Event | None = None,
) -> Report:
    """Seconds per operation, wall clock and CPU, of ``target`` awaited in a loop, for ``seconds`` in each process.

    ``slo`` holds objectives for "time" and "cpu", such as "time=50us".
    Once ``stop`` is set, the report has the processes that were measured until then.

    Cases of a scenario are measured in fresh processes. A bare callable is bound to this one and measured here: its
    report has no interval, for values of one process are not independent.
    """
    if processes < 1:
        raise InputError(f"processes={processes!r} must be 1 or more")
    positive("seconds", seconds)
    wanted = goals_for("micro", slo) or declared_goals(target, "micro")
    frame = await RunContext.around(target, name)
    loop: LoopName = "asyncio" if isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop) else "uvloop"
    found: list[Blocks] = []
    try:
        for _ in range(processes if fresh_case(target) else 1):
            blocks = await unless(stop, alone(target, measure, Blocks, loop=loop, options={"seconds": seconds}))
            if blocks is None:
                break
            found.append(blocks)
    except SubjectError as error:
        return await frame.report("micro", verdict=Verdict(state="failed", reasons=(str(error),)))
    interrupted = stop is not None and stop.is_set()
    if not found:
        verdict = Verdict(state="invalid", reasons=("interrupted before the first process was measured",))
        return await frame.report("micro", verdict=verdict, interrupted=interrupted)
    notes = []
    if fresh_case(target) is None:
        notes.append("measured in this process alone; decorate it with @bench.scenario for fresh processes")
    if not all(blocks.warm for blocks in found):
        notes.append(f"it was still getting faster after {MAX_WARM_UP_S:g} s of warm-up")
    figures = _micro(found)
    report = await frame.report("micro", verdict=Verdict(), notes=tuple(notes), micro=figures, interrupted=interrupted)
    return judged(weighed(report), wanted)


def weighed(report: Report) -> Report:
    """INVALID where the machine was noisy and the interval shows it: a narrow one was measured between disturbances."""
    figures = report.micro
    assert figures is not None
    wall = figures.wall
    if wall.low is None or wall.high is None:
        return report
    lost = max((noise.lost for noise in (report.before, report.after) if noise is not None), default=0.0)
    half = (wall.high - wall.low) / 2 / wall.value
    if lost <= NOISY_SHARE or half <= WIDE_HALF_INTERVAL:
        return report
    reason = (
        f"the machine is too noisy: {lost:.0%} of the time went to other programs, and the interval is "
        f"+-{half:.0%} wide; measure on a quiet machine, or in more processes"
    )
    return replace(report, verdict=Verdict(state="invalid", reasons=(reason,)))


def judged(report: Report, wanted: Sequence[Goal]) -> Report:
    """With the objectives decided on the intervals over processes. Pure."""
    figures = report.micro
    assert figures is not None
    judgements = tuple(_judged(goal, figures.cpu if goal.metric == "cpu" else figures.wall) for goal in wanted)
    if report.verdict.state == "invalid":
        judgements = tuple(replace(judgement, state="not judged") for judgement in judgements)
    worst = max(
        (j.state for j in judgements), key=("not judged", "kept", "inconclusive", "broken").index, default="kept"
    )
    reasons = tuple(sentence(judgement) for judgement in judgements if judgement.state == worst)
    verdict = report.verdict
    if worst == "broken":
        verdict = verdict.joined(Verdict(state="over budget", reasons=reasons))
    elif worst == "inconclusive":
        verdict = verdict.joined(Verdict(state="inconclusive", reasons=reasons))
    return replace(report, objectives=judgements, verdict=verdict)


def _judged(goal: Goal, estimate: Estimate) -> Judgement:
    low, high = estimate.low, estimate.high
    state: ObjectiveState = "inconclusive"
    if high is not None and high <= goal.limit:
        state = "kept"
    elif low is not None and low > goal.limit:
        state = "broken"
    note = "more processes would narrow the interval" if state == "inconclusive" else ""
    return Judgement(goal=goal, state=state, value=estimate.value, low=low, high=high, note=note)


def _micro(found: list[Blocks]) -> Micro:
    return Micro(
        wall=processes_interval([blocks.wall for blocks in found]),
        cpu=processes_interval([blocks.cpu for blocks in found]),
        processes=len(found),
        blocks=min(len(blocks.wall) for blocks in found),
        operations=found[0].operations,
        samples=tuple(tuple(blocks.wall) for blocks in found),
        cpu_samples=tuple(tuple(blocks.cpu) for blocks in found),
    )


async def measure(subject: Subject, seconds: float) -> Blocks:
    """In this process and the running loop."""
    turn = await calibrated(InProcess(subject))
    warm = await _warm_up(turn)
    with heap_frozen():
        timings: list[Timing] = []
        end = time.perf_counter() + seconds
        while len(timings) < MIN_BLOCKS or time.perf_counter() < end:
            timings.append(await turn.block())
    return Blocks([each.wall / 1e9 for each in timings], [each.cpu / 1e9 for each in timings], turn.operations, warm)


async def _warm_up(turn: CalibratedBlock) -> bool:
    """Warm up; ``False`` if it was still getting faster at the time limit."""
    end = time.perf_counter() + MAX_WARM_UP_S
    walls: list[float] = []
    while time.perf_counter() < end:
        walls += [(await turn.block()).wall for _ in range(WARM_UP_BLOCKS)]
        earlier, later = walls[-2 * WARM_UP_BLOCKS : -WARM_UP_BLOCKS], walls[-WARM_UP_BLOCKS:]
        if earlier and statistics.median(later) > (1 - GAIN_OF_WARM_UP) * statistics.median(earlier):
            return True
    return len(walls) <= WARM_UP_BLOCKS  # slow operations: one round is all there is time for
