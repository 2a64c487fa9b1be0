"""The tables of a report, in their order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from aembed.bench import slo
from aembed.bench.model.result import UNKNOWN, Report
from aembed.bench.report import conditions, shapes, side_by_side, single, swept, under_load
from aembed.bench.report.breakdown import breakdown
from aembed.bench.report.latency import latency
from aembed.bench.report.tables import Table, table

JUDGED = (
    "Decided on the interval: kept if all of it is within the limit, broken if all of it is beyond. "
    "All objectives together are decided wrongly in 5 % of runs at most."
)


def tables(report: Report, *, brief: bool = False) -> tuple[Table, ...]:
    """All that ``report`` holds, but for what only charts can show. Those of an invalid one are marked.

    ``brief``: the response time without service time and lag, and nothing about the machine.
    """
    found = tuple(_tables(report, brief=brief))
    if report.verdict.state != "invalid":
        return found
    return tuple(replace(table, is_believed=False) for table in found)


def _tables(report: Report, *, brief: bool) -> Iterator[Table]:
    if report.objectives:
        yield objectives(report)
    first = ("traffic",) if report.verdict.state == "failed" else ("steps",)
    for part in dict.fromkeys((*first, *_SECTIONS)):
        describe = _SECTIONS[part]
        there = getattr(report, part)
        if there is not None:
            yield from describe(there)
        if part == "micro" and report.response is not None and (report.traffic is None or report.traffic.ok):
            yield latency(report, brief=brief)
    if report.stalls:
        yield conditions.stalls(report.stalls)
    if report.processes:
        yield conditions.processes(report.processes)
    if not brief and report.environment != UNKNOWN:
        yield conditions.environment(report)


def objectives(report: Report) -> Table:
    """A line for each objective."""
    rows = [
        (slo.limit_of(judgement.goal), slo.measured(judgement), slo.advice(judgement))
        for judgement in report.objectives
    ]
    return table("Objectives", ("objective", "measured (interval)", "decision"), *rows, note=JUDGED)


_SECTIONS: Mapping[str, Callable[[Any], Iterator[Table]]] = {
    "versus": side_by_side.versus,
    "sweep": swept.sweep,
    "micro": single.micro,
    "breakdown": breakdown,
    "traffic": under_load.traffic,
    "work": under_load.work,
    "closed": under_load.closed,
    "burst": shapes.burst,
    "drift": shapes.drift,
    "steps": shapes.steps,
    "scaling": single.scaling,
    "memory": single.memory,
    "cost": single.cost,
}
