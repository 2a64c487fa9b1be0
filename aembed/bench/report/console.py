"""Reports on a terminal, or in a pipe as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from aembed.bench.compare.changes import Comparison
from aembed.bench.model.result import Report, State
from aembed.bench.report import compared, headlines, sections
from aembed.bench.report.tables import Table, TableRow, printable

COLUMN_GAP = 2
"""Blanks between columns."""
ROOM_FOR_WORDS = 22
"""Characters of the first and the last column together, at least."""
STYLES: dict[State, str] = {
    "ok": "",
    "failed": "bold white on red",
    "regressed": "bold white on red",
    "over budget": "bold white on red",
    "invalid": "bold white on red",
    "inconclusive": "bold black on yellow",
}


def show(
    console: Console, reports: Sequence[Report], comparison: Comparison | None = None, *, brief: bool = False
) -> None:
    """Print the reports; the verdict of each comes first. ``brief`` leaves out service time, lag and the machine."""
    for report in reports:
        _heading(console, headlines.title(report))
        _verdict(console, report)
        for table in sections.tables(report, brief=brief):
            _show(console, table)
    if comparison is not None:
        _heading(console, printable(f"{comparison.before} against {comparison.after}"))
        for table in compared.comparison(comparison):
            _show(console, table)
        console.print(Text(comparison.state.upper(), style=STYLES[comparison.state]))
    if len(reports) > 1:
        _show(console, headlines.overview(reports))


def _heading(console: Console, title: str) -> None:
    console.print()
    console.print(Text(title, style="bold"))


def _verdict(console: Console, report: Report) -> None:
    kept = report.verdict.state == "ok" and (report.objectives or report.mode == "steps")
    console.print(Text(headlines.verdict(report), style="green" if kept else STYLES[report.verdict.state]))
    if report.verdict.state not in {"failed", "invalid"}:
        console.print(Text(headlines.headline(report), style="bold"))
    for sentence in (*headlines.reasons(report), *headlines.notes(report)):
        console.print(Padding(Text(sentence), (0, 0, 0, 2)))


def _fits(table: Table, width: int) -> bool:
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(max(map(cell_len, column)) + COLUMN_GAP for column in columns) - COLUMN_GAP <= width


def _on_two_lines(rows: Sequence[TableRow]) -> list[TableRow]:
    """Intervals below their values: where both are too wide, wrapping would part numbers from their units."""
    return [(name, *(cell.replace(" (", "\n(", 1) for cell in cells)) for name, *cells in rows]


def _spares_words(rows: Sequence[TableRow], width: int) -> bool:
    """The columns between the first and the last, which have words, leave them room if none of their lines breaks."""
    inner = list(zip(*rows, strict=True))[1:-1]
    widest = (max(cell_len(line) for cell in column for line in cell.split("\n")) for column in inner)
    return width - sum(each + COLUMN_GAP for each in widest) >= ROOM_FOR_WORDS


def _show(console: Console, table: Table) -> None:
    grid = RichTable(box=None, pad_edge=False, row_styles=None if table.is_believed else ["dim"])
    columns, *rows = (table.columns, *table.rows)
    if not _fits(table, console.width):
        columns, *rows = _on_two_lines([columns, *rows])
    spared = _spares_words([columns, *rows], console.width)
    for number, column in enumerate(columns):
        figures = spared and 0 < number < len(columns) - 1
        grid.add_column(Text(column), overflow="fold", style="dim" if number == 0 else "", no_wrap=figures)
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console.print()
    title = table.title if console.color_system else table.heading  # without colours nothing is dim
    console.print(Text(title, style="italic"))  # as wide as the terminal, not as the table
    console.print(grid)
    if table.note:
        console.print(Text(table.note, style="dim"))
