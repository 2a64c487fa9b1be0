"""The first lines of a report: title, verdict with its reasons, and one figure. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aembed.bench import units
from aembed.bench.model.one_at_a_time import Cost, Memory, Micro, Scaling
from aembed.bench.model.result import Report, named
from aembed.bench.model.under_load import Burst, Steps
from aembed.bench.report import shapes, side_by_side, single, swept
from aembed.bench.report.tables import Table, printable, table

TOLD_OF_MODELS = {"base_url", "with_cache"}
"""Parameters that the description of a model has in its own words."""


def title(report: Report) -> str:
    """Such as "open loop: embed_query, openai:m, 1536 dimensions, at api.openai.com, no cache"."""
    if report.work is None:
        return benchmark(report)
    described = report.work.described
    further = {name: value for name, value in report.parameters.items() if name not in TOLD_OF_MODELS}
    further = {name: value for name, value in further.items() if str(value) != report.work.model.partition(",")[0]}
    return printable(f"{_mode(report)}: {named(report.name, further)}, {described}")


def benchmark(report: Report) -> str:
    """Such as "open loop: embed_query": equal for two runs that can lie on one chart."""
    return printable(f"{_mode(report)}: {named(report.name, report.parameters)}")


def _mode(report: Report) -> str:
    return f"{report.mode} loop" if report.mode in {"open", "closed"} else report.mode


def verdict(report: Report) -> str:
    """Two answers that are never mixed: may the figures be believed, and are they good?"""
    if report.verdict.state == "invalid":
        return "INVALID, interrupted" if report.interrupted else "INVALID"
    return f"measured{', interrupted' if report.interrupted else ''}; {outcome(report)}"


def outcome(report: Report) -> str:
    """The decision on the objectives; in capitals where they were not kept, or where that is unknown."""
    state = report.verdict.state
    if state in {"failed", "over budget"}:
        return "objective BROKEN"
    if state != "ok":
        return state.upper()
    if report.objectives or report.mode == "steps":
        return "objectives kept" if len(report.objectives) > 1 else "objective kept"
    return "no objective given"


def style(report: Report) -> str:
    """The page's style of the verdict: nothing is good where nothing was asked for."""
    if report.verdict.state == "ok" and outcome(report) == "no objective given":
        return "unjudged"
    return report.verdict.state.replace(" ", "-")


def reasons(report: Report) -> tuple[str, ...]:
    """The reasons of the verdict."""
    early = ("interrupted: these are the results until then",) if report.interrupted else ()
    return (*map(printable, report.verdict.reasons), *early)


def notes(report: Report) -> tuple[str, ...]:
    """Remarks on the report."""
    return tuple(map(printable, report.notes))


def overview(reports: Sequence[Report]) -> Table:
    """One line for each report."""
    rows = [(title(report), verdict(report), headline(report)) for report in reports]
    return table("Results", ("benchmark", "verdict", "headline (95 % interval)"), *rows)


def headline(report: Report) -> str:
    """The one figure a reader wants first; none of an invalid report, and the failure of a failed one."""
    if report.verdict.state == "invalid":
        return "no number: " + "; ".join(reasons(report))
    if report.verdict.state == "failed":
        return "; ".join(report.verdict.reasons)
    if report.versus is not None:
        return side_by_side.standings(report.versus)
    if report.sweep is not None:
        return swept.recommendation(report.sweep)
    for part in (report.micro, report.steps, report.scaling, report.burst, report.memory, report.cost):
        if part is not None:
            return _of(part)
    if report.response is not None:
        rate = "" if report.traffic is None else f", at {units.rate(report.traffic.good_rate)}"
        p95 = next((found for found in report.response.percentiles if found.q == 0.95), None)
        if p95 is None or p95.value is None:
            return f"fewer than 95 of 100 requests had a good answer{rate}"
        return f"95 of 100 requests are answered within {units.percentile(p95)}{rate}"
    return "nothing was decided"


def _of(part: Micro | Steps | Scaling | Burst | Memory | Cost) -> str:
    match part:
        case Micro():
            return f"{units.estimate(part.wall, units.seconds)} per operation"
        case Steps():
            return f"highest rate within the objective: {shapes.knee(part)}"
        case Scaling():
            slope = None if part.linear is None else part.linear.per_unit
            curved = ", but not a straight line" if part.linear is not None and single.is_curved(part.linear) else ""
            return f"{units.estimate(slope, units.of(part.unit), 'see below')} per unit of {part.parameter}{curved}"
        case Burst():
            return f"recovery: {shapes.recovery(part)}"
        case Memory():
            return "LEAKING" if part.leaking else f"{units.optional(part.bytes, units.size)} per operation"
        case Cost():
            return f"{_several(part.callbacks, 'callback')} and {_several(part.calls, 'call')} per operation"


def _several(number: float, what: str) -> str:
    return f"{units.count(number)} {what}" + ("" if number == 1 else "s")
