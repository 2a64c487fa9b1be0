"""Raise the rate until the objective breaks: the knee."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Unpack

from aembed import InputError
from aembed.bench import units
from aembed.bench.load.arrivals import gamma, poisson
from aembed.bench.load.measure import open_loop
from aembed.bench.load.objectives import with_objectives
from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import Goal, Judgement, ObjectiveState
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Objective, RateStep, Steps
from aembed.bench.rows.columns import RunRows
from aembed.bench.rows.output import writes_files
from aembed.bench.scenario import Target
from aembed.bench.settings import RunOptions, RunSettings, positive, progress_of_part
from aembed.bench.stats.fits import knee
from aembed.bench.stats.sample import percentiles

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
    distributions are those of the highest rate within the objective.
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
    report = _report(objective, search.stairs)
    return report if at_least is None else with_rate(report, Goal(metric="rate", limit=at_least))


@dataclass(slots=True, kw_only=True)
class _RateSearch:
    """The highest rate within the objective is between ``low``, 0 before one was found, and ``high``."""

    target: Target
    objective: Objective
    settings: RunSettings
    keep_last: Callable[[float], None]
    step_s: float
    cv: float
    seed: int
    high: float
    low: float = 0.0
    stairs: list[tuple[RateStep, Report]] = field(default_factory=list[tuple[RateStep, Report]])

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
        """The rate is within the objective. A step that only the machine made invalid is tried again."""
        arrivals = poisson(rate) if self.cv == 1 else gamma(rate, self.cv)
        seed = self.seed + len(self.stairs)
        settings = replace(self.settings, progress=progress_of_part(self.settings.progress, units.rate(rate)))
        attempts = 0
        while True:
            attempts += 1
            report, result = await open_loop(self.target, arrivals, self.step_s, seed, settings, fold=False)
            is_conclusive = _is_valid(report) or report.verdict.possible_rate or report.interrupted
            if is_conclusive or attempts == MAX_ATTEMPTS:
                break
        (felt,) = percentiles(result.rows.response, (self.objective.q,))
        step = _step(rate, report, self.objective, felt)
        self.stairs.append((step, report))
        self.keep_last(rate)
        return step.valid and step.within

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


def with_rate(report: Report, goal: Goal) -> Report:
    """The knee against the rate it must reach."""
    assert report.steps is not None
    knee, state = report.steps.knee, report.verdict.state
    judgement = Judgement(
        goal=goal,
        state=_reaches(knee, goal.limit, report),
        value=knee.value if knee else None,
        low=knee.low if knee else None,
        high=knee.high if knee else None,
    )
    verdict = report.verdict
    if judgement.state == "kept" and state == "inconclusive":
        verdict = Verdict()  # beyond the rate that was asked for, the knee does not matter
    return replace(report, objectives=(judgement,), verdict=with_objectives(verdict, (judgement,), None))


def _reaches(knee: Estimate | None, limit: float, report: Report) -> ObjectiveState:
    if knee is None:
        return "broken" if report.is_measured else "not judged"
    if (knee.value if knee.low is None else knee.low) >= limit:
        return "kept"
    return "broken" if knee.high is not None and knee.high < limit else "inconclusive"


def _check(objective: Objective, start: float, highest: float | None, precision: float) -> None:
    if not 0 < objective.q < 1:
        raise InputError(f"objective.q={objective.q!r} must lie between 0 and 1, such as 0.95")
    positive("objective.seconds", objective.seconds)
    if not 0 <= objective.errors < 1:
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
    options.setdefault(
        "drain", max(step_s, DRAIN_OBJECTIVES * objective.seconds)
    )  # the next step must not find a queue
    options["min_good"] = 1 - objective.errors
    return RunSettings(**options)


def _step(rate: float, report: Report, objective: Objective, felt: Percentile) -> RateStep:
    traffic, response = report.traffic, report.response
    assert traffic is not None
    assert response is not None
    errors = 1 - traffic.ok / max(1, traffic.offered)
    return RateStep(
        rate=rate,
        achieved=traffic.achieved_rate,
        good=traffic.good_rate,
        errors=errors,
        p50=response.at(0.5).value,
        p95=response.at(0.95).value,
        p99=response.at(0.99).value,
        objective=felt,
        within=felt.value is not None and felt.value <= objective.seconds and errors <= objective.errors,
        valid=_is_valid(report),
    )


def _is_valid(report: Report) -> bool:
    """The step says something about the subject, good or bad."""
    return report.verdict.state in {"ok", "failed"}


def _report(objective: Objective, stairs: Sequence[tuple[RateStep, Report]]) -> Report:
    """That of the highest rate within the objective, or of the lowest if none was."""
    good = [(step, report) for step, report in stairs if step.valid and step.within]
    lowest = min(stairs, key=lambda stair: (not stair[0].valid, stair[0].rate))
    base = max(good, key=lambda stair: stair[0].rate)[1] if good else lowest[1]
    table = tuple(sorted((step for step, _ in stairs), key=lambda step: step.rate))
    valid = [step for step in table if step.valid]
    found = knee([s.rate for s in valid], [_judged(s, objective) for s in valid], objective.seconds) if valid else None
    verdict = _verdict(objective, stairs, base)
    reasons = [reason for step, report in stairs if not step.valid for reason in report.verdict.reasons]
    told = " ".join(verdict.reasons)
    notes = [f"a step was not valid and says nothing: {reason}" for reason in reasons if reason not in told]
    return replace(
        base,
        mode="steps",
        verdict=verdict,
        notes=(*base.notes, *notes),
        seconds=sum(report.seconds for _, report in stairs),
        interrupted=any(report.interrupted for _, report in stairs),
        steps=Steps(objective=objective, steps=table, knee=found),
    )


def _verdict(objective: Objective, stairs: Sequence[tuple[RateStep, Report]], base: Report) -> Verdict:
    """The verdict on the knee. ``base`` is the report of the highest rate within the objective, or of the lowest."""
    good = any(step.valid and step.within for step, _ in stairs)
    limit = next((report.verdict for step, report in stairs if not step.valid), None)
    beyond = [step for step, _ in stairs if step.valid and not step.within]
    if good:
        if limit is None or beyond:
            return Verdict()
        rate = max(step.rate for step, _ in stairs if step.valid)
        reason = f"at least {rate:,.4g}/s: the knee lies beyond what could be offered, for {limit.reasons[0]}"
        return Verdict(state="inconclusive", reasons=(reason,), possible_rate=limit.possible_rate)
    if not beyond:
        return base.verdict
    if base.verdict.state == "failed":
        return base.verdict
    lowest = min(beyond, key=lambda step: step.rate)
    took = units.optional(lowest.objective.value, units.seconds, "not measurable")
    reason = (
        f"the objective was met at no rate: at {lowest.rate:,.4g}/s, the lowest, {units.quantile(objective.q)} was "
        f"{took}, not {units.seconds(objective.seconds)}"
    )
    return Verdict(state="over budget", reasons=(reason,))


def _judged(step: RateStep, objective: Objective) -> Percentile:
    """A rate with too many errors is beyond the objective, however fast the others were answered."""
    return Percentile(q=objective.q, value=None) if step.errors > objective.errors else step.objective
