"""Steps of rising rates, each decided on its intervals, and the knee that they show. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from aembed.bench import units
from aembed.bench.load.objectives import with_objectives
from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.objectives import Goal, Judgement, ObjectiveState
from aembed.bench.model.result import Report, Verdict
from aembed.bench.model.under_load import Objective, RateStep, Steps
from aembed.bench.slo import sentence
from aembed.bench.stats.fits import knee

Stair: TypeAlias = tuple[RateStep, Report]
"""A step, and the report of its run."""
LONGER_STEPS = "longer steps would narrow the interval"
WORST_FIRST: tuple[ObjectiveState, ...] = ("broken", "not judged", "inconclusive", "kept")


def step_of(rate: float, report: Report) -> RateStep:
    """The step at ``rate``: its percentile, and its errors if a share of them is stated, are those of ``report``."""
    traffic, response = report.traffic, report.response
    assert traffic is not None
    assert response is not None
    slow = report.objectives[0]
    assert slow.goal.q is not None
    states = {each.state for each in report.objectives}
    if report.verdict.state == "failed":  # by the share that may fail where none is stated
        states.add("broken")
    return RateStep(
        rate=rate,
        achieved=traffic.achieved_rate,
        good=traffic.good_rate,
        errors=1 - traffic.ok / max(1, traffic.offered),
        p50=response.at(0.5).value,
        p95=response.at(0.95).value,
        p99=response.at(0.99).value,
        objective=Percentile(q=slow.goal.q, value=slow.value, low=slow.low, high=slow.high),
        state=next(state for state in WORST_FIRST if state in states),
        valid=is_valid(report),
    )


def is_valid(report: Report) -> bool:
    """The step says something about the subject, good or bad."""
    return report.verdict.state != "invalid" and report.traffic is not None and report.traffic.offered > 0


def seems_within(step: RateStep, objective: Objective) -> bool:
    """The step is within the objective as measured, whether its intervals show it or not."""
    if step.state in {"kept", "broken"}:
        return step.state == "kept"
    felt = step.objective.value
    return felt is not None and felt <= objective.seconds and step.errors <= objective.most_errors


def report_of_steps(objective: Objective, stairs: Sequence[Stair]) -> Report:
    """That of the highest rate that surely keeps the objective; else that seems to; else of the lowest rate."""
    valid = [(step, report) for step, report in stairs if step.valid]
    kept = [stair for stair in valid if stair[0].state == "kept"]
    near = [stair for stair in valid if seems_within(stair[0], objective)]
    chosen, report = max(kept or near, key=_rate, default=min(valid or stairs, key=_rate))
    table = tuple(sorted((step for step, _ in stairs), key=lambda step: step.rate))
    found = _knee(objective, [step for step, _ in valid])
    verdict = _beyond_reach(stairs) if kept else _none_kept(objective, chosen, report)
    reasons = [reason for step, each in stairs if not step.valid for reason in each.verdict.reasons]
    told = " ".join(verdict.reasons)
    notes = [f"a step was not valid and says nothing: {reason}" for reason in reasons if reason not in told]
    return replace(
        report,
        mode="steps",
        verdict=verdict,
        objectives=tuple(replace(judgement, note=_at(chosen)) for judgement in report.objectives),
        notes=(*report.notes, *notes),
        seconds=sum(each.seconds for _, each in stairs),
        interrupted=any(each.interrupted for _, each in stairs),
        steps=Steps(objective=objective, steps=table, knee=found),
    )


def _knee(objective: Objective, steps: Sequence[RateStep]) -> Estimate | None:
    if not steps:
        return None
    return knee([step.rate for step in steps], [_bounds(step, objective) for step in steps], objective.seconds)


def _rate(stair: Stair) -> float:
    return stair[0].rate


def _at(step: RateStep) -> str:
    return f"at {units.rate(step.rate)}"


def _beyond_reach(stairs: Sequence[Stair]) -> Verdict:
    """The verdict where a rate keeps the objective: the generator may have ended the way up."""
    limit = next((report.verdict for step, report in stairs if not step.valid), None)
    if limit is None or any(step.valid and step.state == "broken" for step, _ in stairs):
        return Verdict()
    rate = max(step.rate for step, _ in stairs if step.state == "kept")
    reason = f"at least {rate:,.4g}/s: the knee lies beyond what could be offered, for {limit.reasons[0]}"
    return Verdict(state="inconclusive", reasons=(reason,), possible_rate=limit.possible_rate)


def _none_kept(objective: Objective, step: RateStep, report: Report) -> Verdict:
    """The verdict where no rate surely keeps the objective: that of the step closest to it."""
    if not step.valid:
        return report.verdict
    if report.verdict.state == "failed":
        return replace(report.verdict, reasons=report.verdict.reasons[:1])
    if step.state == "broken":
        took = units.optional(step.objective.value, units.seconds, "not measurable")
        reason = (
            f"the objective was met at no rate: at {step.rate:,.4g}/s, the lowest, {units.quantile(objective.q)} was "
            f"{took}, not {units.seconds(objective.seconds)}"
        )
        return Verdict(state="over budget", reasons=(reason,))
    undecided = [judgement for judgement in report.objectives if judgement.is_open]
    return Verdict(
        state="inconclusive",
        reasons=tuple(f"no rate surely keeps the objective: {_at(step)}, {sentence(each)}" for each in undecided),
    )


def _bounds(step: RateStep, objective: Objective) -> Percentile:
    """The percentile of a step for the knee, with the errors taken into account.

    Too many errors are beyond the objective, however fast the other requests were answered; while they are undecided
    the step says nothing for sure.
    """
    felt, limit = step.objective, objective.seconds
    value = None if step.errors > objective.most_errors else felt.value
    if step.state == "broken":
        return Percentile(q=felt.q, value=value, low=max(felt.low or 0.0, math.nextafter(limit, math.inf)), high=None)
    if step.state == "kept":
        return Percentile(q=felt.q, value=value, low=felt.low, high=felt.high)
    surely_fast = felt.high is not None and felt.high <= limit
    return Percentile(q=felt.q, value=value) if surely_fast or felt.low is None else replace(felt, value=value)


def with_rate(report: Report, goal: Goal) -> Report:
    """The knee against the rate it must reach."""
    assert report.steps is not None
    knee, verdict = report.steps.knee, report.verdict
    state = _reaches(knee, goal.limit, report)
    judgement = Judgement(
        goal=goal,
        state=state,
        value=knee.value if knee else None,
        low=knee.low if knee else None,
        high=knee.high if knee else None,
        note=LONGER_STEPS if state == "inconclusive" else "",
    )
    if state == "kept" and verdict.state == "inconclusive":
        verdict = Verdict()  # beyond the rate that was asked for, the knee does not matter
    objectives = (*report.objectives, judgement)
    return replace(report, objectives=objectives, verdict=with_objectives(verdict, (judgement,), None))


def _reaches(knee: Estimate | None, limit: float, report: Report) -> ObjectiveState:
    if not report.is_measured:
        return "not judged"
    if knee is None:
        return "broken" if report.verdict.exit_code == 1 else "inconclusive"
    if knee.low is not None and knee.low >= limit:
        return "kept"
    return "broken" if knee.high is not None and knee.high < limit else "inconclusive"
