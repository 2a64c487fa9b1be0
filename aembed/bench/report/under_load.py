"""Requests, users and their work as tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aembed.bench import units
from aembed.bench.model.estimates import Estimate
from aembed.bench.model.under_load import WRONG_RESULT, Closed, Traffic
from aembed.bench.model.work import LengthCost, Work
from aembed.bench.report.tables import Table, TableRow, table


def _started(t: Traffic) -> TableRow:
    return ("started", units.count(t.started), units.rate(t.achieved_rate))


def traffic(t: Traffic) -> Iterator[Table]:
    bad = [("failed", t.failed), (WRONG_RESULT, t.wrong), ("timed out", t.timed_out), ("unfinished", t.unfinished)]
    yield table(
        "Requests",
        ("", "count", "rate"),
        ("offered", units.count(t.offered), units.rate(t.offered_rate)),
        *((_started(t),) if t.achieved_rate < 0.99 * t.offered_rate else ()),
        ("good", units.count(t.ok), units.rate(t.good_rate)),
        *((name, units.count(n), units.share(n / t.offered)) for name, n in bad if n),
        ("most in flight", units.count(t.peak_in_flight), ""),
        *((("most waiting to start", units.count(t.peak_backlog), ""),) if t.peak_backlog else ()),
    )
    if t.failures:
        kinds = [(failure.kind, units.count(failure.count), failure.example) for failure in t.failures]
        yield table("Failures", ("kind", "count", "the first one"), *kinds)


def work(w: Work) -> Iterator[Table]:
    tokens = "tokens" if w.tokens_from == "provider" else "tokens (four characters each)"
    rows: list[TableRow] = [
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
    rows += [(f"failed: {kind}", f"{units.count(count)} requests", "") for kind, count in w.errors.items()]
    if w.repeated:
        rows.append(("texts repeated", units.count(w.repeated), ""))
    if w.lengths is not None:
        n = w.lengths
        rows.append(("characters per text", f"median {n.p50:,}, p95 {n.p95:,}, max {n.max:,}", ""))
    limits = {"requests": w.requests_per_minute, "tokens": w.tokens_per_minute}
    known = [f"{units.count(limit)} {name}/min" for name, limit in limits.items() if limit is not None]
    if known:
        rows.append(("limits of the account", ", ".join(known), ""))
    if w.cost is not None and w.price is not None:
        rows.append(("cost", f"${units.digits(w.cost)}", f"${units.digits(w.price)} per million tokens"))
    yield table("Work", ("", "total", "rate"), *rows, note=f"texts: {w.source}")
    if w.by_length is not None:
        yield _by_length(w.by_length, w.tokens_from)


def _by_length(line: LengthCost, tokens_from: str) -> Table:
    per = line.per_character
    rows = [
        ("fixed", units.estimate(line.fixed, units.seconds)),
        ("per 1,000 characters", units.estimate(_times(per, 1000), units.seconds)),
    ]
    if tokens_from == "provider":
        per_token = _times(per, 1000 * line.characters_per_token)
        rows.append(("per 1,000 tokens", units.estimate(per_token, units.seconds)))
    note = f"a straight line through {units.count(line.requests)} requests; their wait for others is included"
    return table("Service time by length", ("", "time (95 % interval)"), *rows, note=note)


def _times(value: Estimate, factor: float) -> Estimate:
    low, high = (None if end is None else factor * end for end in (value.low, value.high))
    return Estimate(value=factor * value.value, low=low, high=high)


def closed(closed: Closed) -> Iterator[Table]:
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
