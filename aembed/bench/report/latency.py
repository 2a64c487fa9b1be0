"""The times of a run under load as a table. Pure."""

from __future__ import annotations

import math

from aembed.bench import units
from aembed.bench.model.estimates import Distribution
from aembed.bench.model.result import Report
from aembed.bench.report.tables import Table, table
from aembed.bench.stats.sample import QUANTILES, TAIL

RARE = 0.999
"""A quantile that needs many requests: with fewer than ENOUGH_FOR_RARE it is one of the slowest few, by chance."""

ENOUGH_FOR_RARE = 10_000


def latency(report: Report, *, brief: bool) -> Table:
    columns = {"response": report.response, "service": report.service, "lag": report.lag}
    there = {name: d for name, d in columns.items() if d is not None and (name == "response" or not brief)}
    first = next(iter(there.values()))
    quantiles = [p.q for p in first.percentiles]
    if tuple(quantiles) == QUANTILES and first.count < ENOUGH_FOR_RARE:  # those that were asked for are all shown
        quantiles.remove(RARE)
    rows = [(units.quantile(q), *(_percentile(d, q) for d in there.values())) for q in quantiles]
    rows.append(("max", *(units.optional(d.max, units.seconds, "none was good") for d in there.values())))
    rows.append(
        ("mean", *(units.optional(d.mean, units.seconds, f"none: {_failed(d)} failed") for d in there.values()))
    )
    meaning = "response: from the intended start, so that waiting for a busy server counts"
    if not brief:
        meaning += "; service: from the real start; lag: how late requests started"
    failed = ". Failed requests count as slower than all others" if first.censored else ""
    return table(
        f"Latency{at_rate(report)} (95 % intervals)", ("", *there), *rows, note=f"{meaning}{failed}.{_too_few(report)}"
    )


def at_rate(report: Report) -> str:
    """Such as " at 217/s", where the report has several rates and its times are those of one."""
    if report.steps is None or report.traffic is None:
        return ""
    return f" at {units.rate(report.traffic.offered_rate)}"


def _percentile(times: Distribution, q: float) -> str:
    found = times.at(q)
    return f"among the failed ({_failed(times)})" if found.value is None else units.percentile(found)


def _failed(times: Distribution) -> str:
    return units.share(times.censored / times.count) if times.count else "all"


def _too_few(report: Report) -> str:
    """The run that would give the first percentile without an interval one, if nothing else changed."""
    response, traffic = report.response, report.traffic
    if response is None or traffic is None or not traffic.offered_rate:
        return ""
    short = [p.q for p in response.percentiles if p.value is not None and p.low is None and p.q < RARE]
    if not short:
        return ""
    seconds = math.ceil(math.log(TAIL) / math.log(short[0])) / traffic.offered_rate
    longer = max(seconds, 2 * traffic.seconds)  # dependent requests say less than their number
    return f" Too few for an interval of {units.quantile(short[0])}: run about {longer:,.0f} s."
