"""Growth of time with a parameter, and of throughput with concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Unpack

from aembed import InputError
from aembed.bench.load.measure import closed
from aembed.bench.micro.timing import micro
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.one_at_a_time import Scaling, ScalingPoint
from aembed.bench.model.result import Parameter, Report
from aembed.bench.scenario import Scenario, Target
from aembed.bench.settings import RunOptions
from aembed.bench.stats.fits import linear_fit, usl_fit

MIN_VALUES = 3
"""Values of the parameter: a line through two always fits."""
MIN_PROCESSES = 3
"""Processes per value from which a line is drawn: their scatter is its interval."""
NO_LINE = f"no straight line from fewer than {MIN_PROCESSES} processes per value: nothing would show how sure it is"


async def scaling(
    scenario: Scenario,
    *,
    parameter: str | None = None,
    processes: int = 5,
    seconds: float = 0.5,
    stop: asyncio.Event | None = None,
) -> Report:
    """Seconds per operation over the values of one parameter, and the straight line ``fixed + per_unit * x``.

    Once ``stop`` is set, there is no line: the report is that of the value that was being measured.
    ``parameter`` may be left out where the scenario has one with several values; all others must have one value.
    """
    chosen = _varied(scenario, parameter)
    points, xs, ys, reports = [], [], [], []
    for case in scenario.cases():
        report = await micro(case, processes=processes, seconds=seconds, stop=stop)
        if report.micro is None or report.interrupted:
            return report
        x = case.parameters[chosen]
        assert isinstance(x, int | float), "_varied rejects all others"
        points.append(ScalingPoint(x=float(x), value=report.micro.wall))
        medians = [sorted(row)[len(row) // 2] for row in report.micro.samples]
        xs += [float(x)] * len(medians)
        ys += medians
        reports.append(report)
    line = linear_fit(xs, ys) if processes >= MIN_PROCESSES else None
    found = Scaling(parameter=chosen, unit="s", points=tuple(points), linear=line)
    fixed = {name: value for name, value in reports[-1].parameters.items() if name != chosen}
    return _whole(reports, found, fixed, () if line else (NO_LINE,))


def _varied(scenario: Scenario, parameter: str | None) -> str:
    """Name of the one parameter with several values.

    Raises:
        InputError: none or several are varied, another than ``parameter`` is, or a value is not a number.
    """
    varied = [name for name, values in scenario.parameters.items() if len(values) > 1]
    chosen = parameter or (varied[0] if varied else "")
    if varied != [chosen] or len(scenario.parameters[chosen]) < MIN_VALUES:
        has = ", ".join(f"{name} ({len(scenario.parameters[name])} values)" for name in varied) or "none"
        raise InputError(f"{scenario.name} must vary one parameter, with {MIN_VALUES} values or more; it varies {has}")
    for value in scenario.parameters[chosen]:
        if isinstance(value, str) or value is None:
            raise InputError(f"{chosen}={value!r} must be a number to scale with")
    return chosen


async def concurrency(
    target: Target, *, users: Sequence[int] = (1, 2, 5, 10, 20), duration: float = 5.0, **options: Unpack[RunOptions]
) -> Report:
    """Good answers per second with more and more users who never think, and the universal scalability law."""
    if len(users) < 4:
        raise InputError(f"users={list(users)!r} must be four numbers or more")
    reports = [await closed(target, users=n, duration=duration, **options) for n in users]
    bad = next((report for report in reports if report.verdict.state != "ok"), None)
    if bad is not None:
        return bad
    rates = [report.traffic.good_rate for report in reports if report.traffic is not None]
    points = tuple(ScalingPoint(x=n, value=Estimate(value=rate)) for n, rate in zip(users, rates, strict=True))
    found = Scaling(parameter="users", unit="1/s", points=points, usl=usl_fit(users, rates))
    return _whole(reports, found, reports[-1].parameters)


def _whole(
    reports: Sequence[Report], found: Scaling, parameters: Mapping[str, Parameter], notes: Sequence[str] = ()
) -> Report:
    last = reports[-1]
    return Report(
        mode="scaling",
        name=last.name,
        parameters=parameters,
        started=reports[0].started,
        seconds=sum(report.seconds for report in reports),
        interrupted=any(report.interrupted for report in reports),
        verdict=last.verdict,
        environment=last.environment,
        before=reports[0].before,
        after=last.after,
        notes=tuple(dict.fromkeys((*notes, *(note for report in reports for note in report.notes)))),
        scaling=found,
    )
