"""Raise the rate until the objective breaks: the figures at one rate select the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Unpack

from aembed import InputError
from aembed.bench import units
from aembed.bench.load.arrivals import gamma, poisson
from aembed.bench.load.knee import Stair, is_valid, report_of_steps, seems_within, step_of, with_rate
from aembed.bench.load.measure import open_loop
from aembed.bench.model.objectives import Goal
from aembed.bench.model.result import Report
from aembed.bench.model.under_load import Objective
from aembed.bench.rows.columns import RunRows
from aembed.bench.rows.output import writes_files
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, RunSettings, positive, progress_of_part

MAX_ATTEMPTS = 3
MAX_DOUBLINGS = 24
"""Doublings of the first rate, before the search ends."""
MIN_REQUESTS = 20
"""Requests of a step, when going down."""
DRAIN_OBJECTIVES = 10.0
"""Times the objective that answers are waited for after each step."""


@writes_files
async def steps(
    target: Target,
    *,
    objective: Objective,
    start: float,
    step_s: float = 10.0,
    highest: float | None = None,
    precision: float = 0.05,
    at_least: float | None = None,
    cv: float = 1.0,
    seed: int = 0,
    **options: Unpack[RunOptions],
) -> Report:
    """The maximum sustainable rate: from ``start`` it is doubled until ``objective`` breaks, then narrowed down.

    Each rate gets ``step_s`` seconds of Poisson arrivals (``cv`` 1); ``precision`` is the relative distance that the
    last two rates may have, and ``at_least`` the rate, in requests/s, that the knee must reach. The report's
    distributions are those of the highest rate that surely keeps the objective, by the intervals of its step.
    """
    positive("step_s", step_s)
    _check(objective, start, highest, precision)
    settings, keep_last = _keeping_last_attempts(_settings(objective, step_s, options))
    search = _RateSearch(
        target=target,
        objective=objective,
        settings=settings,
        keep_last=keep_last,
        step_s=step_s,
        cv=cv,
        seed=seed,
        high=start,
    )
    await search.double(highest or math.inf)
    await search.halve()
    await search.bisect(precision)
    report = report_of_steps(objective, search.stairs)
    return report if at_least is None else with_rate(report, Goal(metric="rate", limit=at_least))


@dataclass(slots=True, kw_only=True)
class _RateSearch:
    """The highest rate within the objective, as measured, is between ``low``, 0 before one was found, and ``high``."""

    target: Target
    objective: Objective
    settings: RunSettings
    keep_last: Callable[[float], None]
    step_s: float
    cv: float
    seed: int
    high: float
    low: float = 0.0
    stairs: list[Stair] = field(default_factory=list[Stair])

    async def double(self, highest: float) -> None:
        """Up, until a rate breaks the objective."""
        for _ in range(MAX_DOUBLINGS):
            if not await self._is_within(self.high):
                break
            self.low, self.high = self.high, min(2 * self.high, highest)
            if self.low == self.high or self._is_over():
                break

    async def halve(self) -> None:
        """Down, if even the first rate broke it."""
        while not self.low and not self._is_over() and self.high / 2 * self.step_s >= MIN_REQUESTS:
            await self._split(self.high / 2)

    async def bisect(self, precision: float) -> None:
        """Closer, until the two rates differ by ``precision``."""
        while self.low and self.high / self.low > 1 + precision and not self._is_over():
            await self._split(math.sqrt(self.low * self.high))

    async def _split(self, rate: float) -> None:
        if await self._is_within(rate):
            self.low = rate
        else:
            self.high = rate

    async def _is_within(self, rate: float) -> bool:
        """The rate seems to be within the objective. A step that only the machine made invalid is tried again."""
        arrivals = poisson(rate) if self.cv == 1 else gamma(rate, self.cv)
        seed = self.seed + len(self.stairs)
        settings = replace(self.settings, progress=progress_of_part(self.settings.progress, units.rate(rate)))
        attempts = 0
        while True:
            attempts += 1
            report, _ = await open_loop(self.target, arrivals, self.step_s, seed, settings, fold=False)
            is_conclusive = is_valid(report) or report.verdict.possible_rate or report.interrupted
            if is_conclusive or attempts == MAX_ATTEMPTS:
                break
        step = step_of(rate, report)
        self.stairs.append((step, report))
        self.keep_last(rate)
        return step.valid and seems_within(step, self.objective)

    def _is_over(self) -> bool:
        """More steps would add nothing: the generator's limit, or Ctrl-C."""
        step, report = self.stairs[-1]
        return not step.valid or report.interrupted


def _keeping_last_attempts(settings: RunSettings) -> tuple[RunSettings, Callable[[float], None]]:
    """Settings that collect the rows of all attempts, and the function that keeps the last one's under its rate."""
    keep, attempts = settings.keep, list[RunRows]()
    if keep is None:
        return settings, lambda _: None

    def keep_last(rate: float) -> None:
        keep(replace(attempts[-1], label=f"{rate:.6g}/s"))
        attempts.clear()

    return replace(settings, keep=attempts.append), keep_last


def _check(objective: Objective, start: float, highest: float | None, precision: float) -> None:
    if not 0 < objective.q < 1:
        raise InputError(f"objective.q={objective.q!r} must lie between 0 and 1, such as 0.95")
    positive("objective.seconds", objective.seconds)
    if not 0 <= objective.most_errors < 1:
        raise InputError(f"objective.errors={objective.errors!r} must be a share from 0 to below 1, such as 0.01")
    positive("start", start, "requests/s")
    positive("precision", precision, "a share")
    if highest is not None and highest < start:
        raise InputError(f"highest={highest:g} must not be below start={start:g} requests/s")


def _settings(objective: Objective, step_s: float, options: RunOptions) -> RunSettings:
    if options.get("slo"):
        raise InputError("steps takes its objective by objective= and at_least=: leave slo out")
    if "min_good" in options:
        raise InputError("min_good is what objective.errors says here: leave it out")
    if options.get("abort"):
        raise InputError("steps has no abort: a rate that breaks the objective ends the way up")
    options.setdefault(
        "drain", max(step_s, DRAIN_OBJECTIVES * objective.seconds)
    )  # the next step must not find a queue
    goals = [Goal(metric=f"p{100 * objective.q:.12g}", limit=objective.seconds)]
    if objective.errors is not None:
        goals.append(Goal(metric="errors", limit=objective.errors))
    options["slo"] = goals
    return RunSettings(**options)
