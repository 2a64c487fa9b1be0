"""From blocks to cells with their figures, and to the verdict of a sweep. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aembed import InputError
from aembed.bench import slo, units
from aembed.bench.model.estimates import Percentile
from aembed.bench.model.objectives import Goal, Judgement, ObjectiveState
from aembed.bench.model.result import Parameter, Verdict
from aembed.bench.model.sweep import CellState, Sweep, SweepCell
from aembed.bench.settings import RunSettings
from aembed.bench.stats.sample import TAIL
from aembed.bench.stats.shares import ShareSample, as_decided
from aembed.bench.sweep.blocks import Block, percentile, slower, throughput
from aembed.bench.sweep.front import Point, ValueRange, beaten, best, rivals
from aembed.bench.sweep.grid import Cell

USUAL_Q = 0.95
"""The percentile that is compared without an objective."""


@dataclass(frozen=True, slots=True)
class Question:
    """The figures that are compared, and the differences that count."""

    q: float
    goal: Goal | None
    most_errors: float
    """Share of the requests that may fail."""
    margin: float
    items: str | None

    @classmethod
    def of(cls, settings: RunSettings, margin: float, items: str | None, cells: Sequence[Cell]) -> Question:
        """Raises InputError for several percentiles, a margin that is not a share, and items that are not numbers."""
        times = [goal for goal in settings.goals if goal.q is not None]
        if len(times) > 1:
            raise InputError(f"a sweep compares one percentile; slo has {times[0].metric} and {times[1].metric}")
        if not 0 <= margin < 1:
            raise InputError(f"margin={margin!r} must be a share from 0 to below 1, such as 0.05")
        for cell in cells if items is not None else ():
            value = _parameters(cell).get(str(items))
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"items={items!r} must name a parameter whose values are numbers, got {value!r}")
        goal = times[0] if times else None
        return cls((goal and goal.q) or USUAL_Q, goal, 1 - settings.least_good, margin, items)


def _parameters(cell: Cell) -> Mapping[str, Parameter]:
    return {**getattr(cell.target, "parameters", {}), **cell.parameters}


@dataclass(slots=True)
class MeasuredCell:
    """A cell, and the results of its blocks so far."""

    cell: Cell
    blocks: list[Block] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    """Reasons why blocks do not count."""
    texts: bool = False
    """The subject counts its texts, and the blocks are in texts per second."""

    def add(self, block: Block, good: int, texts: int | None) -> None:
        """A block with so many good answers, of so many texts altogether."""
        self.texts = texts is not None
        self.blocks.append(block if texts is None else block.times(texts / max(1, good)))

    @property
    def requests(self) -> int:
        return sum(len(block.response) for block in self.blocks)

    @property
    def errors(self) -> float:
        return sum(block.failed for block in self.blocks) / max(1, self.requests)

    def scaled(self, question: Question) -> list[Block]:
        """In the items of the question."""
        if question.items is None:
            return self.blocks
        value: Any = _parameters(self.cell)[question.items]
        return [block.times(float(value)) for block in self.blocks]


def points(measured: Sequence[MeasuredCell], question: Question) -> list[Point]:
    """Each as a point of the plane; one that fails is beaten by any other."""
    return [_point(each, question) for each in measured]


def _point(measured: MeasuredCell, question: Question) -> Point:
    failing = _fails(measured, question)
    if failing:
        never = ValueRange.of(Percentile(q=question.q, value=None, low=float("inf")))
        return Point(ValueRange(0.0, 0.0, 0.0), never, None if question.goal is None else "broken")
    latency = percentile(measured.blocks, question.q)
    met = None if question.goal is None else _objective(measured.blocks, question.goal)
    if met == "kept" and (failing is None or latency.high is None):
        met = "inconclusive"
    return Point(ValueRange.of(throughput(measured.scaled(question))), ValueRange.of(latency), met)


def _fails(measured: MeasuredCell, question: Question) -> bool | None:
    """Too many requests surely fail; ``None``: too many did, perhaps by chance."""
    if not measured.requests:
        return True
    if measured.errors <= question.most_errors:
        return False
    blocks = measured.blocks
    failed = ShareSample.of_groups([block.failed for block in blocks], [len(block.response) for block in blocks])
    return True if failed.is_within(question.most_errors, TAIL) is False else None


def _objective(blocks: Sequence[Block], goal: Goal) -> ObjectiveState:
    """By the share of requests that take longer: where no block has any, few blocks are enough."""
    assert goal.q is not None
    within = slower(blocks, goal.limit).is_within(1 - goal.q, TAIL) if len(blocks) > 1 else None
    return "inconclusive" if within is None else "kept" if within else "broken"


def found_in(
    measured: Sequence[MeasuredCell], question: Question, over: Mapping[str, tuple[Parameter, ...]], block_s: float
) -> Sweep:
    """Every cell with its rank."""
    there = [m for m in measured if len(m.blocks) > 1]
    places = points(there, question)
    by, undecided = beaten(places, question.margin), rivals(places, question.margin)
    cells = [_without_figures(m) for m in measured if len(m.blocks) < 2]
    leader = best(places, question.margin)
    for i, each in enumerate(there):
        faster = by[i]
        state: CellState = "front" if faster is None else "beaten"
        if _fails(each, question):
            state = "failed"
        cells.append(
            SweepCell(
                parameters=each.cell.parameters,
                state=state,
                undecided=state == "front" and i in undecided,
                beaten_by=None if faster is None or state == "failed" else there[faster].cell.parameters,
                blocks=len(each.blocks),
                requests=each.requests,
                throughput=throughput(each.scaled(question)),
                latency=percentile(each.blocks, question.q) if each.requests else None,
                errors=each.errors,
                objective=places[i].objective,
                reason="" if each.requests else "no request but the first of each user fits into a block",
            )
        )
    cells.sort(key=lambda cell: -1.0 if cell.throughput is None else cell.throughput.value, reverse=True)
    chosen = None if leader is None else there[leader].cell.parameters
    return Sweep(
        over=over,
        items=question.items or ("texts" if all(m.texts for m in there) and there else "requests"),
        q=question.q,
        goal=question.goal,
        cells=tuple(cells),
        best=next((i for i, cell in enumerate(cells) if cell.parameters == chosen), None),
        block_s=block_s,
        margin=question.margin,
    )


def _without_figures(measured: MeasuredCell) -> SweepCell:
    spoilt = measured.spoilt
    return SweepCell(
        parameters=measured.cell.parameters,
        state="invalid" if spoilt else "not measured",
        blocks=len(measured.blocks),
        requests=measured.requests,
        reason=spoilt[0] if spoilt else "interrupted before two of its blocks were measured",
    )


def verdict_on(sweep: Sweep) -> tuple[Verdict, tuple[Judgement, ...]]:
    """The verdict, and the objective as judged on the cell that decides it."""
    there = [cell for cell in sweep.cells if cell.state in {"front", "beaten"}]
    if not there:
        return _nothing_measured(sweep), ()
    if sweep.goal is None:
        return Verdict(), ()
    deciding = sweep.cells[sweep.best] if sweep.best is not None else _closest(there)
    assert deciding.latency is not None
    assert deciding.objective is not None
    latency, state = deciding.latency, deciding.objective
    within = None if state == "inconclusive" else state == "kept"
    low, high = as_decided(latency.low, latency.high, sweep.goal.limit, within)
    judgement = Judgement(goal=sweep.goal, state=state, value=latency.value, low=low, high=high)
    if sweep.best is not None:
        return Verdict(), (judgement,)
    where = ", ".join(f"{name}={value}" for name, value in deciding.parameters.items())
    reason = f"{units.percentile(latency)} at {where} is the closest to {slo.limit_of(sweep.goal)}"
    if judgement.is_open:
        return Verdict(state="inconclusive", reasons=(f"no cell surely meets the objective: {reason}",)), (judgement,)
    return Verdict(state="over budget", reasons=(f"no cell meets the objective: {reason}",)), (judgement,)


def _nothing_measured(sweep: Sweep) -> Verdict:
    reasons = tuple(cell.reason for cell in sweep.cells if cell.reason)[:1]
    states = {cell.state for cell in sweep.cells}
    if states == {"not measured"}:
        return Verdict(state="inconclusive", reasons=("no cell had two blocks: run longer",))
    if "failed" in states:
        return Verdict(state="failed", reasons=("too many requests failed in every cell that was measured", *reasons))
    return Verdict(state="invalid" if "invalid" in states else "inconclusive", reasons=reasons)


def _closest(cells: Sequence[SweepCell]) -> SweepCell:
    """An undecided one before any that surely misses the objective; of these the one with the lowest latency."""

    def distance(cell: SweepCell) -> tuple[bool, float]:
        value = None if cell.latency is None else cell.latency.value
        return cell.objective != "inconclusive", float("inf") if value is None else value

    return min(cells, key=distance)
