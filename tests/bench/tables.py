"""Tables of a report, for the tests that read their rows and notes."""

from __future__ import annotations

from aembed.bench.model.result import Report
from aembed.bench.report import sections
from aembed.bench.report.tables import TableRow


def rows(made: Report, title: str) -> list[TableRow]:
    (found,) = [table for table in sections.tables(made) if table.title == title]
    return list(found.rows)


def note(made: Report, title: str) -> str:
    (found,) = [table for table in sections.tables(made) if table.title == title]
    return found.note
