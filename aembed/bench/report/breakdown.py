"""The time of requests, part by part, as tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aembed.bench import units
from aembed.bench.model.breakdown import Breakdown, SlowRequest
from aembed.bench.report.tables import Table, TableRow, table

MEANING = {
    "late start": "late start: due, but not started yet",
    "loop stalled": "loop stalled: other code held the event loop up",
    "other": "other: no part was marked",
}


def breakdown(found: Breakdown) -> Iterator[Table]:
    """Means by part, then the slowest requests."""
    if found.requests:
        yield _means(found)
    if found.slowest:
        yield _slowest(found.slowest)


def _means(found: Breakdown) -> Table:
    names = dict.fromkeys((*found.mean, *found.slow))
    both = (found.mean, found.slow) if found.slow else (found.mean,)
    rows = [(name, *(cell for parts in both for cell in _cells(parts, name))) for name in names]
    total = ("together", *(cell for parts in both for cell in (units.seconds(sum(parts.values())), "")))
    columns = ("part", "all requests", "", "p95 to p99", "")[: 1 + 2 * len(both)]
    slow = f", and of {found.slow_requests:,} of them between p95 and p99" if found.slow else ""
    meaning = "; ".join(sentence for name, sentence in MEANING.items() if name in names)
    note = f"Means of {found.requests:,} good requests{slow}. {meaning[:1].upper()}{meaning[1:]}."
    return table("Where the time went", columns, *rows, total, note=note.replace(" .", ""))


def _cells(parts: Mapping[str, float], name: str) -> tuple[str, str]:
    spent, total = parts.get(name, 0.0), sum(parts.values())
    return units.seconds(spent), units.share(spent / total if total else 0.0)


def _slowest(slowest: tuple[SlowRequest, ...]) -> Table:
    """Columns that would say the same in every row are left out."""
    optional = {
        "outcome": [slow.outcome.replace("_", " ") for slow in slowest],
        "attempts": ["" if slow.attempts is None else str(slow.attempts) for slow in slowest],
        "connection": ["new" if slow.new_connection else "" for slow in slowest],
        "request": [slow.label for slow in slowest],
        "request id": [", ".join(slow.request_ids) for slow in slowest],
    }
    usual = {"outcome": "ok", "attempts": "1"}
    shown = {name: cells for name, cells in optional.items() if set(cells) - {"", usual.get(name, "")}}
    rows: list[TableRow] = [
        (slow.time, units.seconds(slow.response), _main(slow), *(cells[number] for cells in shown.values()))
        for number, slow in enumerate(slowest)
    ]
    return table("Slowest requests", ("due at (UTC)", "took", "mostly", *shown), *rows)


def _main(slow: SlowRequest) -> str:
    return f"{slow.main} {units.seconds(slow.parts.get(slow.main, 0.0))}"
