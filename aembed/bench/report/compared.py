"""A comparison as tables of text. Pure."""

from __future__ import annotations

from aembed.bench import units
from aembed.bench.compare.changes import Change, Comparison
from aembed.bench.model.result import named
from aembed.bench.report.tables import Table, TableRow, table


def comparison(found: Comparison) -> tuple[Table, ...]:
    """The changes, and figures that were not judged."""
    rows = [change_row(change) for change in found.changes]
    names = {row[0] for row in rows}
    unjudged = [table("Not judged", ("what and why",), *((reason,) for reason in found.unjudged))]
    columns = ("benchmark", "figure", found.before, found.after, "change (95 % interval)", "finding")
    note = "; ".join(found.notes)
    if len(names) == 1:  # its name in each row would take the place of the figures
        changes = table(f"Comparison: {names.pop()}", columns[1:], *(row[1:] for row in rows), note=note)
    else:
        changes = table("Comparison", columns, *rows, note=note)
    return (*((changes,) if rows or not found.unjudged else ()), *(unjudged if found.unjudged else ()))


def change_row(change: Change) -> TableRow:
    """Benchmark, figure, before, after, change, finding."""
    unit = units.of(change.unit)
    finding = change.finding if change.finding == "same" else change.finding.upper()
    can = "" if change.detectable is None else f"; would see {units.change(change.detectable)}"
    return (
        named(change.name, change.parameters),
        change.metric,
        units.optional(change.before, unit, units.BEYOND),
        units.optional(change.after, unit, units.BEYOND),
        units.estimate(change.change, units.change, "none to give"),
        finding + can + (f" ({change.note})" if change.note else ""),
    )
