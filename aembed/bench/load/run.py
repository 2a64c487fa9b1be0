"""One run of a load from its begin to its result."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from aembed.bench.load.abort import Abort
from aembed.bench.load.drivers import Driver
from aembed.bench.load.record import Record
from aembed.bench.load.traces import Traces
from aembed.bench.load.windowed_histogram import WindowedHistogram
from aembed.bench.model.objectives import Goal
from aembed.bench.model.under_load import Failure
from aembed.bench.rows.columns import Rows
from aembed.bench.settings import Progress, RunSettings
from aembed.bench.stats.sample import rank_of

START_LEAD_NS = 10_000_000
"""Nanoseconds between the decision to start and the first request: no request is late because of the start-up."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A run that is over."""

    record: Record
    origin: int
    """Start of the run in nanoseconds, by its clock."""
    seconds: float
    """Length of the part of the schedule that was followed."""
    started: float = 0.0
    """Start of the run in seconds since 1970 (UTC)."""
    fold: WindowedHistogram | None = None
    """Counts in place of the rows, if those were too many to keep."""
    interrupted: bool
    aborted: Goal | None = None
    """The objective that was surely broken, so that the run was stopped."""
    ignored_cancellation: int
    """Requests that continued after they were cancelled."""
    peak_in_flight: int
    peak_backlog: int
    failures: tuple[Failure, ...]
    thought: float = 0.0
    """Seconds that users thought until the end of the run, all together."""
    waited: float = 0.0
    """And those they waited for answers."""
    traces: Traces | None = None
    """Notes about the parts of requests, if they were wanted."""

    @cached_property
    def rows(self) -> Rows:
        """In order: for a million of them that takes a second. None where they were folded."""
        return self.record.rows()


async def execute(
    driver: Driver,
    seconds: float,
    settings: RunSettings,
    fold: WindowedHistogram | None = None,
    origin: int | None = None,
) -> RunResult:
    """Run ``driver`` for ``seconds``, wait for the last answers, and end requests without one.

    If it is cancelled, so is all that it started. Without a ``fold``, every row is kept. ``origin`` is the start by the
    run's clock, in nanoseconds, if it is not now.
    """
    flight = driver.flight
    record = flight.record
    origin = record.origin = flight.clock() + START_LEAD_NS if origin is None else origin
    record.fold = fold
    end = origin + round(seconds * 1e9)
    stop = settings.stop or asyncio.Event()
    ticker = _Ticker(driver, origin, seconds, settings.progress) if settings.progress else None
    abort = Abort(driver, settings.goals) if settings.abort else None
    ends = (driver.finished, stop, *((abort.tests.broken,) if abort else ()))
    try:
        driver.begin(origin)
        while (ended := flight.clock()) < end and not any(event.is_set() for event in ends):
            await _first_of(*ends, seconds=(end - ended) / 1e9)  # uvloop's timers are early
        driver.end()
        await _first_of(driver.finished, seconds=settings.drain)
    finally:
        driver.close()
        for watcher in (ticker, abort):
            if watcher is not None:
                watcher.stop()
        ignored_cancellation = await flight.land()
    flight.never_start(driver.never_started())
    interrupted = stop.is_set() and ended < end
    aborted = abort.tests.goal if abort is not None and ended < end else None
    return RunResult(
        record=record,
        fold=fold if record.folded else None,
        origin=origin,
        started=datetime.now(UTC).timestamp() - (flight.clock() - origin) / 1e9,
        seconds=max(ended - origin, 1) / 1e9 if interrupted or aborted else seconds,
        interrupted=interrupted,
        aborted=aborted,
        ignored_cancellation=ignored_cancellation,
        peak_in_flight=flight.peak,
        peak_backlog=driver.peak_backlog,
        failures=flight.failures(),
        thought=driver.thought / 1e9,
        waited=driver.waited / 1e9,
        traces=flight.traces,
    )


async def _first_of(*events: asyncio.Event, seconds: float) -> None:
    """Until one of ``events`` is set, or the time is over."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _middle_and_tail(rows: Rows) -> tuple[float | None, float | None]:
    """The p50 and p95 of the response time."""
    ordered = np.sort(rows.response)
    if not len(ordered):
        return None, None
    p50, p95 = (float(ordered[rank_of(q, len(ordered)) - 1]) for q in (0.5, 0.95))
    return (p50 if math.isfinite(p50) else None), (p95 if math.isfinite(p95) else None)


class _Ticker:
    """Reports the progress of a run, once a second."""

    def __init__(self, driver: Driver, origin: int, seconds: float, tell: Callable[[Progress], None]) -> None:
        self._driver, self._origin, self._seconds, self._tell = driver, origin, seconds, tell
        self._loop = asyncio.get_running_loop()
        self._done = 0
        self._timer = self._loop.call_later(1.0, self._tick)

    def _tick(self) -> None:
        flight, due = self._driver.flight, self._driver.due()
        done = len(flight.record)
        p50, p95 = _middle_and_tail(flight.record.latest(done - self._done))
        self._done = done
        self._tell(
            Progress(
                elapsed=(flight.clock() - self._origin) / 1e9,
                seconds=self._seconds,
                offered=due,
                done=done,
                errors=flight.errors,
                in_flight=len(flight),
                backlog=max(0, due - done - len(flight)),
                p50=p50,
                p95=p95,
            )
        )
        self._timer = self._loop.call_later(1.0, self._tick)

    def stop(self) -> None:
        self._timer.cancel()
