"""One process's part of a run, in the loop of that process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import numpy as np

from aembed.bench.discovery import find
from aembed.bench.environment import keeps_own_time, off_loop
from aembed.bench.load.abort import BadCounter
from aembed.bench.load.drivers import ClosedLoop, Driver, OpenLoop
from aembed.bench.load.lag import Watchdog
from aembed.bench.load.opened import OpenedSubject, opened_for_load
from aembed.bench.load.processes.messages import Done, ProcessTask, Tick
from aembed.bench.load.reporting import Figures, Observed, breakdown_of
from aembed.bench.load.run import execute
from aembed.bench.load.share import Share
from aembed.bench.rows.columns import Ints
from aembed.bench.rows.lengths import lengths_of
from aembed.bench.settings import Progress, RunSettings
from aembed.bench.subject import Subject


async def work_on(
    job: ProcessTask,
    schedule: Ints,
    *,
    ready: Callable[[], Awaitable[int | None]],
    tick: Callable[[Tick], None],
    stop: asyncio.Event,
) -> tuple[Done, list[Ints]]:
    """Set up the subject, say so, start at the origin that ``ready`` gives, and return what happened, with its rows."""
    share = Share(job.number, job.of)
    counter: BadCounter | None = None
    numbers = itertools.count(1)

    def say(now: Progress) -> None:
        counts = None if counter is None else counter.read()
        tick(Tick(now.offered, now.done, now.errors, now.in_flight, now.backlog, next(numbers), counts))

    settings = RunSettings(
        timeout=job.timeout,
        drain=job.drain,
        max_in_flight=share.places(job.max_in_flight),
        why=job.why,
        stop=stop,
        progress=say,
    )
    (scenario,) = find(job.target)
    real = not keeps_own_time(asyncio.get_running_loop())
    async with opened_for_load(
        scenario.case(**job.parameters), job.seed, users=job.users, share=share, why=job.why
    ) as opened:
        common = await ready()
        origin = common if real else None  # a virtual clock shares no time with others
        with Watchdog() if real else nullcontext() as watchdog:
            driver = _driver(job, opened, schedule, settings)
            if job.limits_s:
                counter = BadCounter(driver.flight, job.limits_s)
            meter = opened.subject.meter
            if meter is not None:
                meter.start()
            result = await execute(driver, job.seconds, settings, origin=origin)
        work = None if meter is None else meter.work(result.seconds)
    figures = await off_loop(lambda: Figures.of(result, settings, Observed.by(watchdog, result.origin)))
    found = await figures.disturbances(result, settings)
    rows = result.rows
    columns = [rows.intended, rows.started, rows.done, rows.outcome]
    if job.with_lengths and opened.requests is not None:
        lengths = await off_loop(lengths_of, rows, opened.requests(job.seed))
        columns += [column for column in lengths if column is not None]
    observed, pacer = figures.observed, driver.pacer
    done = Done(
        rows=len(rows),
        columns=len(columns),
        seconds=result.seconds,
        started=result.started,
        interrupted=result.interrupted,
        ignored_cancellation=result.ignored_cancellation,
        peak_in_flight=result.peak_in_flight,
        peak_backlog=result.peak_backlog,
        failures=result.failures,
        thought=result.thought,
        waited=result.waited,
        stalls=observed.stalls,
        loop=observed.loop,
        rss=observed.rss,
        frozen=opened.frozen,
        work=work,
        breakdown=await off_loop(breakdown_of, result, watchdog),
        pacer=pacer.name if pacer else "none",
        fallback=pacer.fallback if pacer else None,
        reasons=found.reasons,
        notes=found.notes,
        possible_rate=found.possible_rate,
    )
    return done, columns


def _driver(job: ProcessTask, opened: OpenedSubject, schedule: Ints, settings: RunSettings) -> Driver:
    subject: Subject = opened.subject
    if not job.users:
        return OpenLoop(subject, np.array(schedule), settings)
    think = job.think

    return ClosedLoop(
        subject,
        opened.users,
        lambda dice: dice.expovariate(1 / think) if think else 0.0,
        seconds=job.seconds,
        seed=job.seed,
        settings=settings,
    )
