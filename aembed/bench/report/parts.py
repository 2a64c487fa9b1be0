"""The parts of a report, each as its tables. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from aembed.bench import slo, units
from aembed.bench.model.result import Noise, Report
from aembed.bench.model.under_load import Burst, Closed, Drift, Stall, Steps, Traffic
from aembed.bench.model.versus import PairOfSides, Versus
from aembed.bench.model.work import Work
from aembed.bench.report import single
from aembed.bench.report.tables import Row, Table, table
from aembed.bench.stats.sample import TAIL

RARE = 0.999
"""A quantile that needs many requests: with fewer than ENOUGH_FOR_RARE it is one of the slowest few, by chance."""
ENOUGH_FOR_RARE = 10_000
QUIET, NOISY = 0.01, 0.1
"""Shares of the time that other programs took: below the first a machine is quiet, above the second too noisy."""
JUDGED = (
    "Decided on the interval: kept if all of it is within the limit, broken if all of it is beyond. "
    "All objectives together are decided wrongly in 5 % of runs at most."
)


def tables(report: Report, *, brief: bool = False) -> tuple[Table, ...]:
    """All that ``report`` holds, but for what only charts can show. Those of an invalid one say so.

    ``brief``: the response time without service time and lag, and nothing about the machine.
    """
    found = tuple(_tables(report, brief=brief))
    if report.verdict.state != "invalid":
        return found
    return tuple(replace(table, title=f"INVALID: {table.title}") for table in found)


def _tables(report: Report, *, brief: bool) -> Iterator[Table]:
    if report.objectives:
        yield objectives(report)
    first = ("traffic",) if report.verdict.state == "failed" else ()
    for part in dict.fromkeys((*first, *_PARTS)):
        describe = _PARTS[part]
        there = getattr(report, part)
        if there is not None:
            yield from describe(there)
        if part == "micro" and report.response is not None:
            yield _latency(report, brief=brief)
    if report.stalls:
        yield _stalls(report.stalls)
    if not brief:
        yield _environment(report)


def objectives(report: Report) -> Table:
    """A line for each objective."""
    rows = [
        (slo.limit_of(judgement.goal), slo.measured(judgement), slo.advice(judgement))
        for judgement in report.objectives
    ]
    return table("Objectives", ("objective", "measured (interval)", "decision"), *rows, note=JUDGED)


def _closed(closed: Closed) -> Iterator[Table]:
    yield table(
        "Users",
        ("", "value"),
        ("users", units.count(closed.users)),
        ("mean think time", units.seconds(closed.think)),
        ("mean response", units.seconds(closed.response)),
        ("realised rate", units.rate(closed.rate)),
        ("rate x (response + think)", f"{units.digits(closed.little)} users"),
        note="By Little's law the last line is the number of users.",
    )


def _drift(drift: Drift) -> Iterator[Table]:
    steady = {True: "steady", False: "it drifts", None: "too uncertain to say"}[drift.steady]
    yield table(
        "Drift over the run",
        ("", "change (95 % interval)"),
        ("median response", units.estimate(drift.response, units.change)),
        ("rate", units.estimate(drift.rate, units.change)),
        ("memory per second", units.estimate(drift.rss, units.size)),
        note=f"{steady}: steady means within {units.share(drift.tolerance)}",
    )


def _latency(report: Report, *, brief: bool) -> Table:
    columns = {"response": report.response, "service": report.service, "lag": report.lag}
    there = {name: d for name, d in columns.items() if d is not None and (name == "response" or not brief)}
    first = next(iter(there.values()))
    quantiles = [p.q for p in first.percentiles if p.q < RARE or first.count >= ENOUGH_FOR_RARE]
    rows = [(units.quantile(q), *(units.percentile(d.at(q)) for d in there.values())) for q in quantiles]
    missing = "none: some failed"
    rows.append(("max", *(units.optional(d.max, units.seconds) for d in there.values())))
    rows.append(("mean", *(units.optional(d.mean, units.seconds, missing) for d in there.values())))
    meaning = "response: from the intended start, so that waiting for a busy server counts"
    if not brief:
        meaning += "; service: from the real start; lag: how late requests started"
    failed = ". Failed requests count as slower than all others" if first.censored else ""
    return table("Latency (95 % intervals)", ("", *there), *rows, note=f"{meaning}{failed}.{_too_few(report)}")


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


def _traffic(t: Traffic) -> Iterator[Table]:
    bad = [("failed", t.failed), ("wrong result", t.wrong), ("timed out", t.timed_out), ("unfinished", t.unfinished)]
    yield table(
        "Requests",
        ("", "count", "rate"),
        ("offered", units.count(t.offered), units.rate(t.offered_rate)),
        *((("started", "", units.rate(t.achieved_rate)),) if t.achieved_rate < 0.99 * t.offered_rate else ()),
        ("good", units.count(t.ok), units.rate(t.good_rate)),
        *((name, units.count(n), units.share(n / t.offered)) for name, n in bad if n),
        ("most in flight", units.count(t.peak_in_flight), ""),
        *((("most waiting to start", units.count(t.peak_backlog), ""),) if t.peak_backlog else ()),
    )
    if t.failures:
        kinds = [(failure.kind, units.count(failure.count), failure.example) for failure in t.failures]
        yield table("Failures", ("kind", "count", "the first one"), *kinds)


def _work(w: Work) -> Iterator[Table]:
    tokens = "tokens" if w.tokens_from == "provider" else "tokens (four characters each)"
    rows: list[Row] = [
        ("texts", units.count(w.texts), units.rate(w.texts_rate)),
        (tokens, units.count(w.tokens), units.rate(w.tokens_rate)),
        ("bytes", units.size(w.bytes), f"{units.size(w.bytes_rate)}/s"),
        ("sent to the provider", f"{units.count(w.sent)} requests", ""),
    ]
    unusual = {
        "retries": w.retries,
        "texts from a cache": w.cache_hits,
        "texts shared in flight": w.shared,
        "calls merged": w.merged,
    }
    rows += [(name, units.count(count), "") for name, count in unusual.items() if count]
    if w.repeated:
        rows.append(("texts repeated", units.count(w.repeated), ""))
    if w.lengths is not None:
        n = w.lengths
        rows.append(("characters per text", f"median {n.p50:,}, p95 {n.p95:,}, max {n.max:,}", ""))
    if w.cost is not None and w.price is not None:
        rows.append(("cost", f"${units.digits(w.cost)}", f"${units.digits(w.price)} per million tokens"))
    yield table("Work", ("", "total", "rate"), *rows, note=f"model: {w.model}; texts: {w.source}")


def _versus(v: Versus) -> Iterator[Table]:
    rows = [
        (
            str(s.rank),
            s.name,
            units.optional(s.p50, units.seconds, units.BEYOND),
            units.optional(s.p95, units.seconds, units.BEYOND),
            units.rate(s.good_rate),
            units.share(s.errors),
            units.optional(s.texts_rate, units.rate, "-"),
            units.optional(s.cost_per_million, lambda dollars: f"${units.digits(dollars)}", "-"),
        )
        for s in v.standings
    ]
    columns = ("rank", "what", "p50", "p95", "good", "errors", "texts", "per million tokens")
    yield table(
        "Side by side",
        columns,
        *rows,
        note=f"ranks by {v.by}; equal ranks are tied. {v.rounds} rounds of {units.seconds(v.block_s)} for each, in "
        "turns, with the same requests",
    )
    pairs = [
        (f"{pair.second} against {pair.first}", units.estimate(pair.change, units.change), _tied(pair))
        for pair in v.pairs
    ]
    smallest = units.optional(v.detectable, lambda share: f"a difference of {units.change(share)} would be seen")
    yield table("Differences", ("pair", f"{v.by} (95 % interval)", "decision"), *pairs, note=smallest)


def _tied(pair: PairOfSides) -> str:
    if pair.order == "tied":
        return "tied"
    return f"{pair.first if pair.order == 'faster' else pair.second} is faster"


def standings(v: Versus) -> str:
    """Such as "a is the fastest by p50: 12.1 ms; b and c are tied"."""
    best = [standing for standing in v.standings if standing.rank == 1]
    first = units.optional(best[0].p50, units.seconds, units.BEYOND)
    if len(best) == 1:
        return f"{best[0].name} is the fastest by {v.by}: p50 {first}"
    return f"{' and '.join(standing.name for standing in best)} are tied by {v.by}: p50 about {first}"


def _burst(b: Burst) -> Iterator[Table]:
    band = "too few requests to say" if b.band is None else " to ".join(map(units.seconds, b.band))
    yield table(
        "Burst",
        ("", "value"),
        ("base rate", units.rate(b.base_rate)),
        ("spike", f"{units.rate(b.spike_rate)} for {units.seconds(b.spike_end - b.spike_start)}"),
        ("p95 before the spike", band),
        ("slowest response", units.optional(b.peak_response, units.seconds)),
        ("largest backlog", units.count(b.peak_backlog)),
        ("recovery", recovery(b)),
        ("backlog gone after", units.optional(b.drained, units.seconds, "not within the run")),
        *((("drain rate", units.rate(b.drain_rate)),) if b.drain_rate is not None else ()),
    )


def recovery(b: Burst) -> str:
    """The recovery time, or the reason why there is none."""
    if b.recovery == 0:
        return "none needed, no degradation was seen"
    missing = "not within the run" if b.recovery_unknown is None else "INCONCLUSIVE"
    return units.optional(b.recovery, lambda seconds: f"after {units.seconds(seconds)}", missing)


def _steps(steps: Steps) -> Iterator[Table]:
    rows = [
        (
            units.rate(s.rate),
            units.rate(s.good),
            units.share(s.errors),
            units.percentile(s.objective),
            ("yes" if s.within else "no") if s.valid else "INVALID",
        )
        for s in steps.steps
    ]
    o = steps.objective
    yield table(
        "Steps",
        ("offered", "good", "errors", units.quantile(o.q), "within the objective"),
        *rows,
        note=f"objective: {units.quantile(o.q)} within {units.seconds(o.seconds)}, errors within "
        f"{units.share(o.errors)}. Highest rate within it: {knee(steps)}",
    )


def knee(steps: Steps) -> str:
    """The highest rate within the objective; a lower bound where no rate that was offered broke it."""
    found = steps.knee
    if found is None:
        return "none: the objective was met at no rate"
    if found.high is None:
        return f"at least {units.rate(found.value)}"
    return units.estimate(found, units.rate)


def _stalls(stalls: Sequence[Stall]) -> Table:
    causes = {
        "cpu": "your code burnt CPU",
        "blocked": "your code blocked",
        "descheduled": "the machine took the CPU away",
        "unknown": "could not be told",
    }
    longest = sorted(stalls, key=lambda stall: -stall.seconds)[:10]
    rows = [
        (units.seconds(s.at), units.seconds(s.seconds), causes[s.cause], _where(s.line))
        for s in sorted(longest, key=lambda stall: stall.at)
    ]
    more = len(stalls) - len(longest)
    return table(
        "Stalls of the loop",
        ("at", "for", "cause", "where"),
        *rows,
        note=f"the longest of {len(stalls)}" if more else "",
    )


def _where(line: str | None) -> str:
    """The place in code, from its package or the working directory on."""
    if line is None:
        return ""
    _, installed, rest = line.rpartition("site-packages/")
    return rest if installed else line.removeprefix(f"{Path.cwd()}/")


def _environment(report: Report) -> Table:
    e, p = report.environment, report.pacing
    revision = "no revision" if e.revision is None else e.revision + (" with changes" if e.dirty else "")
    rows: list[Row] = [
        ("measured", f"{report.started}, in {units.seconds(report.seconds)}"),
        ("machine", f"{e.cores} x {e.cpu}, {e.system}"),
        ("Python", f"{e.python} on {e.loop}"),
        ("code", f"{revision}; " + ", ".join(f"{name} {version}" for name, version in e.packages.items())),
    ]
    if p is not None:
        seed = "" if p.seed is None else f", seed {p.seed}"
        by = "" if p.pacer == "none" else f", by {p.pacer}"
        rows.append(("schedule", f"{p.arrivals}{seed}{by}" + (f" ({p.fallback})" if p.fallback else "")))
    if report.frozen is not None:
        told = f"not of the {report.frozen:,} objects that were there before the subject was opened"
        rows.append(("garbage collections", told))
    rows += [
        (f"noise {when}", _noise(noise))
        for when, noise in (("before", report.before), ("after", report.after))
        if noise is not None
    ]
    return table("Where and how", ("", "value"), *rows)


def _noise(noise: Noise) -> str:
    load = units.optional(noise.load, units.digits)
    word = "quiet" if noise.lost < QUIET else "noisy" if noise.lost < NOISY else "too noisy"
    return (
        f"{word}: load {load}, {units.share(noise.lost)} of the time lost, "
        f"longest gap {units.seconds(noise.longest_gap)}, "
        f"canary {units.seconds(noise.canary)}"
    )


_PARTS: Mapping[str, Callable[[Any], Iterator[Table]]] = {
    "versus": _versus,
    "micro": single.micro,
    "traffic": _traffic,
    "work": _work,
    "closed": _closed,
    "burst": _burst,
    "drift": _drift,
    "steps": _steps,
    "scaling": single.scaling,
    "memory": single.memory,
    "cost": single.cost,
}
