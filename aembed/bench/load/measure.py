"""From a subject and a way to load it to a report."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TypeAlias, Unpack

from aembed import InputError
from aembed.bench.environment import keeps_own_time, off_loop
from aembed.bench.load.arrivals import Arrivals
from aembed.bench.load.by_length import length_cost
from aembed.bench.load.drivers import ClosedLoop, Driver, OpenLoop
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.opened import OpenedSubject, opened_for_load
from aembed.bench.load.processes.measure import Plan, measure_in_processes
from aembed.bench.load.reporting import closed_loop, report_of, run_rows
from aembed.bench.load.run import RunResult, execute
from aembed.bench.load.windowed_histogram import WindowedHistogram
from aembed.bench.model.result import Mode, Report
from aembed.bench.model.under_load import Pacing
from aembed.bench.rows.output import writes_files
from aembed.bench.run_context import RunContext
from aembed.bench.scenario import Target, declared_goals
from aembed.bench.settings import RunOptions, RunSettings, positive
from aembed.bench.slo import goals_for

Think: TypeAlias = float | Callable[[random.Random], float]
"""Seconds: the mean of exponentially distributed pauses, or a function that draws one."""


@writes_files
async def load(
    target: Target, *, arrivals: Arrivals, duration: float, seed: int = 0, **options: Unpack[RunOptions]
) -> Report:
    """Open loop: requests start at the absolute times of ``arrivals`` for ``duration`` seconds, answered or not."""
    report, _ = await open_loop(target, arrivals, duration, seed, settings_for("load", target, options))
    return report


@writes_files
async def closed(
    target: Target, *, users: int, duration: float, think: Think = 0.0, seed: int = 0, **options: Unpack[RunOptions]
) -> Report:
    """Closed loop: ``users`` ask, wait for the answer, think, and ask again.

    A slow answer slows the users down: the number of requests is a result, and the harm that a stall does to requests
    that would have come meanwhile is not seen (coordinated omission). Use :func:`load` for the effect of a rate.
    """
    if users < 1:
        raise InputError(f"users={users!r} must be 1 or more")
    if isinstance(think, (int, float)) and think < 0:
        raise InputError(f"think={think!r} must be a number of seconds, 0 or more")
    positive("duration", duration)
    name = f"closed loop, {users} users"
    settings = settings_for("users", target, options)
    if settings.processes > 1:
        if callable(think):
            raise InputError("think must be a number of seconds with several processes: they cannot share a function")
        plan = Plan(name=name, seconds=duration, seed=seed, users=users, think=think)
        report, result = await measure_in_processes(target, plan, settings)
        return _with_users(report, result, users)
    draw = think if callable(think) else lambda dice: dice.expovariate(1 / think) if think else 0.0

    def driver(opened: OpenedSubject) -> Driver:
        return ClosedLoop(opened.subject, opened.users, draw, seconds=duration, seed=seed, settings=settings)

    report, result = await _measure(
        target,
        "closed",
        driver,
        arrivals=name,
        seed=seed,
        duration=duration,
        settings=settings,
        users=users,
    )
    return _with_users(report, result, users)


def _with_users(report: Report, result: RunResult, users: int) -> Report:
    assert report.traffic is not None
    return replace(report, closed=closed_loop(result, users, report.traffic.offered))


def settings_for(mode: str, target: Target, options: RunOptions) -> RunSettings:
    """The options of a run, with the objectives of its scenario where the options give none.

    Raises InputError for an objective that ``mode`` does not measure.
    """
    if slo := options.get("slo"):
        goals_for(mode, slo)
        return RunSettings(**options)
    return replace(RunSettings(**options), slo=declared_goals(target, mode))


async def open_loop(
    target: Target, arrivals: Arrivals, duration: float, seed: int, settings: RunSettings, *, fold: bool = True
) -> tuple[Report, RunResult]:
    """The report and its rows: all of them, unless ``fold`` allows counts for very many."""
    times = arrivals.times(duration, seed)
    if settings.processes > 1:
        plan = Plan(name=str(arrivals), seconds=duration, seed=seed, times=times)
        return await measure_in_processes(target, plan, settings)

    def driver(opened: OpenedSubject) -> Driver:
        return OpenLoop(opened.subject, times, settings)

    return await _measure(
        target, "open", driver, arrivals=str(arrivals), seed=seed, duration=duration, settings=settings, fold=fold
    )


async def _measure(
    target: Target,
    mode: Mode,
    make: Callable[[OpenedSubject], Driver],
    *,
    arrivals: str,
    seed: int,
    duration: float,
    settings: RunSettings,
    fold: bool = True,
    users: int = 0,
) -> tuple[Report, RunResult]:
    frame = await RunContext.around(target, settings.name)
    real = not keeps_own_time(asyncio.get_running_loop())
    async with opened_for_load(target, seed, users=users, why=settings.why) as opened:
        subject = opened.subject
        with Watchdog() if real else nullcontext() as watchdog:
            driver = make(opened)
            if subject.meter is not None:
                subject.meter.start()
            fold = fold and settings.keep is None
            result = await execute(
                driver, duration, settings, WindowedHistogram.over(duration, settings) if fold else None
            )
        work = None if subject.meter is None else subject.meter.work(result.seconds)
    if work is not None and opened.requests is not None and not result.fold:
        work = replace(work, by_length=await off_loop(length_cost, result.rows, opened.requests(seed), work))
    pacer = driver.pacer
    pacing = Pacing(
        arrivals=arrivals,
        seed=seed,
        pacer=pacer.name if pacer else "none",
        fallback=pacer.fallback if pacer else None,
    )
    report = await report_of(
        frame, result, settings, mode=mode, pacing=pacing, watchdog=watchdog, work=work, frozen=opened.frozen
    )
    if settings.keep is not None:
        settings.keep(await off_loop(run_rows, report, result, opened.requests and opened.requests(seed)))
    return report, result
