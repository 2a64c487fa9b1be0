"""A subject measured in several processes, as a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from aembed import InputError
from aembed.bench.discovery import fresh_case
from aembed.bench.environment import off_loop
from aembed.bench.load.abort import AbortOfProcesses, limits_s
from aembed.bench.load.breakdown import joined
from aembed.bench.load.processes.children import Lost, ProcessResult, children, run_all
from aembed.bench.load.processes.merge import (
    NOTHING,
    merged_disturbances,
    merged_observed,
    merged_result,
    merged_work,
    shares_of,
)
from aembed.bench.load.processes.messages import ProcessTask, Tick, packed
from aembed.bench.load.reporting import Figures, judged_report, rows_with_lengths
from aembed.bench.load.run import RunResult
from aembed.bench.load.share import Share
from aembed.bench.model.objectives import Goal
from aembed.bench.model.result import Report
from aembed.bench.model.under_load import Pacing
from aembed.bench.rows.columns import Ints
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Case, Target
from aembed.bench.settings import Progress, RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run that is dealt out: a schedule, or users."""

    name: str
    """Name of the schedule in the report."""
    seconds: float
    seed: int
    times: Ints | None = None
    users: int = 0
    think: float = 0.0

    @property
    def mode(self) -> Literal["open", "closed"]:
        """The mode of the report."""
        return "closed" if self.users else "open"

    def schedules(self, processes: int) -> list[Ints]:
        """The intended starts of each process; none where users decide."""
        return [NOTHING if self.times is None else Share(i, processes).times(self.times) for i in range(processes)]


async def measure_in_processes(target: Target, plan: Plan, settings: RunSettings) -> tuple[Report, RunResult]:
    """The report and its rows. Raises InputError for a target that other processes cannot find."""
    case, number = fresh_case(target), settings.processes
    if case is None:
        raise InputError(
            f"processes={number} needs an async def or a scenario in a file or module, which each process can import. "
            "Move it there, or leave processes out"
        )
    if plan.users and plan.users < number:
        raise InputError(f"processes={number} must not be more than users={plan.users}")
    frame = await RunContext.around(target, settings.name)
    schedules = plan.schedules(number)
    abort = AbortOfProcesses(settings.goals) if settings.abort else None
    async with children(number, loop_place()) as found:
        outcomes = await run_all(
            found,
            [(job_of(case, plan, settings, i, schedule), packed([schedule])) for i, schedule in enumerate(schedules)],
            patience=plan.seconds + settings.drain,
            stop=settings.stop,
            progress=progress_of(plan, settings.progress),
            abort=abort,
        )
    return await _report(frame, plan, settings, outcomes, schedules, aborted=abort.tests.goal if abort else None)


def loop_place() -> str:
    """The place of the running loop's kind, for other processes."""
    uvloop = type(asyncio.get_running_loop()).__module__.partition(".")[0] == "uvloop"
    return "uvloop:new_event_loop" if uvloop else "asyncio:new_event_loop"


def job_of(case: Case, plan: Plan, settings: RunSettings, number: int, schedule: Ints) -> ProcessTask:
    return ProcessTask(
        target=case.scenario.target,
        parameters=dict(case.parameters),
        number=number,
        of=settings.processes,
        seconds=plan.seconds,
        seed=plan.seed,
        users=plan.users,
        think=plan.think,
        timeout=settings.timeout,
        drain=settings.drain,
        max_in_flight=settings.max_in_flight,
        why=settings.why,
        limits_s=limits_s(settings.goals) if settings.abort else [],
        with_lengths=settings.keep is not None,
        size=schedule.nbytes,
    )


def progress_of(plan: Plan, tell: Callable[[Progress], None] | None) -> Callable[[Sequence[Tick], float], None] | None:
    """Counts of all processes together; percentiles of parts cannot be added up, so there are none."""
    if tell is None:
        return None

    def told(ticks: Sequence[Tick], elapsed: float) -> None:
        tell(
            Progress(
                elapsed=elapsed,
                seconds=plan.seconds,
                offered=sum(tick.offered for tick in ticks),
                done=sum(tick.done for tick in ticks),
                errors=sum(tick.errors for tick in ticks),
                in_flight=sum(tick.in_flight for tick in ticks),
                backlog=sum(tick.backlog for tick in ticks),
            )
        )

    return told


async def _report(
    frame: RunContext,
    plan: Plan,
    settings: RunSettings,
    outcomes: Sequence[ProcessResult],
    schedules: Sequence[Ints],
    *,
    aborted: Goal | None,
) -> tuple[Report, RunResult]:
    dones = [outcome[0] for outcome in outcomes if not isinstance(outcome, Lost)]
    result, table = await off_loop(merged_result, outcomes, schedules, plan.seconds)
    if aborted is not None and result.interrupted and not (settings.stop and settings.stop.is_set()):
        result = replace(result, aborted=aborted, interrupted=False)
    figures = await off_loop(Figures.of, result, settings, merged_observed(dones))
    first = dones[0] if dones else None
    report = await judged_report(
        frame,
        result,
        figures,
        merged_disturbances(outcomes),
        settings,
        mode=plan.mode,
        pacing=Pacing(
            arrivals=plan.name,
            seed=plan.seed,
            pacer=first.pacer if first else "none",
            fallback=first.fallback if first else None,
        ),
        work=merged_work([done.work for done in dones]),
        frozen=first.frozen if first else None,
        processes=shares_of(outcomes, schedules),
    )
    parts = [done.breakdown for done in dones if done.breakdown is not None]
    report = replace(report, breakdown=joined(parts) if parts else None)
    if settings.keep is not None:
        texts, characters = (table[4], table[5]) if len(table) == 6 else (None, None)
        settings.keep(rows_with_lengths(report, result, texts, characters))
    return report, result
