"""Options of every run under load, and reports of its progress."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from aembed import InputError
from aembed.bench.model.objectives import Goal
from aembed.bench.model.under_load import USUAL_ERRORS
from aembed.bench.rows.columns import RunRows
from aembed.bench.slo import Slo, goals

T = TypeVar("T")
MIN_GOOD = 1 - USUAL_ERRORS
"""Share of the requests that must be good where nothing else is asked for."""
MAX_WINDOWS = 600
"""At most, of a run: longer ones get wider windows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A run under way, once a second."""

    elapsed: float
    seconds: float
    """Length of the whole schedule; answers may take longer."""
    offered: int
    """Due until now."""
    done: int
    errors: int
    in_flight: int
    backlog: int
    """Due, but not started."""
    p50: float | None = None
    """Response time of the answers since the last report, in seconds; ``None`` without a good one."""
    p95: float | None = None
    part: str = ""
    """The rate of a step, the cell of a sweep, the side of a comparison."""


class RunOptions(TypedDict, total=False):
    """Options of every run under load. All may be left out."""

    name: str
    """In the report, instead of the subject's own."""
    timeout: float | None
    """Seconds each request has from its start; without one, until the end of the run."""
    drain: float
    """Seconds after the schedule in which answers still count, 10 by default; later ones are "unfinished"."""
    max_in_flight: int
    """Requests at once, 10,000 by default; more wait for a place, and their waiting is part of their response time."""
    min_good: float | None
    """Share of the requests that must be good, 0.99 by default: with fewer, the run has failed. An objective for errors
    replaces it."""
    slo: Slo
    """Objectives, such as "p95=50ms,errors=1%,rate=200/s": each is judged on its interval."""
    abort: bool
    """Stop as soon as an objective is surely broken: a run that keeps all is stopped in 1 % of cases at most."""
    why: bool
    """Note the parts of each request, for ``Report.breakdown``: events of embedders, and :class:`aembed.bench.part`."""
    window: float | None
    """Seconds; by default one, and more for runs of more than ten minutes."""
    processes: int
    """Processes that offer the load together, each with its loop and subject; 1 by default. One schedule is
    dealt out in turns, users are dealt whole, and one process that is disturbed voids the run."""
    stop: asyncio.Event | None
    """Once set, no more requests start, and the report has those that did."""
    progress: Callable[[Progress], None] | None
    """Called in the loop, once a second."""
    rows: str | Path | None
    """File for a row per request, written after the run: .csv, or .parquet (needs pyarrow)."""
    hlog: str | Path | None
    """HdrHistogram log, written after the run: response, service and lag of each second, in nanoseconds."""
    openmetrics: str | Path | None
    """OpenMetrics text, written after the run: counts and histograms."""
    keep: Callable[[RunRows], None] | None
    """Called with the rows of each run once it is over: of each step of ``steps``, of each side of ``versus``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The options with their defaults, checked."""

    name: str | None = None
    timeout: float | None = None
    drain: float = 10.0
    max_in_flight: int = 10_000
    min_good: float | None = None
    slo: Slo = ()
    abort: bool = False
    why: bool = False
    window: float | None = None
    processes: int = 1
    stop: asyncio.Event | None = None
    progress: Callable[[Progress], None] | None = None
    rows: str | Path | None = None
    hlog: str | Path | None = None
    openmetrics: str | Path | None = None
    keep: Callable[[RunRows], None] | None = None

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("window", self.window)):
            if value is not None:
                positive(name, value)
        if not (math.isfinite(self.drain) and self.drain >= 0):
            raise InputError(f"drain={self.drain!r} must be a number of seconds, 0 or more")
        if self.max_in_flight < 1:
            raise InputError(f"max_in_flight={self.max_in_flight!r} must be 1 or more")
        if self.processes < 1:
            raise InputError(f"processes={self.processes!r} must be 1 or more")
        if self.min_good is not None and not 0 <= self.min_good <= 1:
            raise InputError(f"min_good={self.min_good!r} must be a share from 0 to 1, such as 0.99")
        errors = next((goal.limit for goal in self.goals if goal.metric == "errors"), None)
        if errors is not None and self.min_good is not None:
            raise InputError(f"min_good={self.min_good!r} and errors={errors!r} say the same; give one of them")
        if self.abort and not any(goal.q is not None or goal.metric == "errors" for goal in self.goals):
            raise InputError("abort needs an objective for errors or a percentile, such as slo='errors=1%'")

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The objectives, read and checked."""
        return goals(self.slo)

    @property
    def floor(self) -> float:
        """Share of good requests below which the run has failed; 0 where an objective for errors decides instead."""
        if any(goal.metric == "errors" for goal in self.goals):
            return 0.0
        return MIN_GOOD if self.min_good is None else self.min_good

    @property
    def least_good(self) -> float:
        """Share of good requests that is asked for, by an objective or by ``min_good``."""
        errors = next((goal.limit for goal in self.goals if goal.metric == "errors"), None)
        return self.floor if errors is None else 1 - errors

    def width(self, seconds: float) -> float:
        """Seconds of a window."""
        return self.window or max(1.0, math.ceil(seconds / MAX_WINDOWS))


def progress_of_part(
    tell: Callable[[Progress], None] | None, part: str, *, before: float = 0.0, seconds: float | None = None
) -> Callable[[Progress], None] | None:
    """Progress of one part, reported as that of a run of ``seconds``, of which ``before`` were over when it began."""
    if tell is None:
        return None

    def tell_whole(now: Progress) -> None:
        total = now.seconds if seconds is None else seconds
        tell(replace(now, elapsed=before + now.elapsed, seconds=total, part=part))

    return tell_whole


def positive(name: str, value: float, unit: str = "seconds") -> float:
    """``value``, or InputError."""
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name}={value!r} must be a finite number above 0 ({unit})")
    return value


async def unless(stop: asyncio.Event | None, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``; ``None`` once ``stop`` is set, and then it is cancelled."""
    if stop is None:
        return await work
    if stop.is_set():
        work.close()
        return None
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.wait((working, stopping))
