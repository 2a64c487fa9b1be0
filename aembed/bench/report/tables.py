"""Reports as tables of text: what every format shows, made once. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

TableRow = tuple[str, ...]

MAX_CHARS = 2000
"""Length of a name, a reason or a note."""
_COMMAND = re.compile(r"(?<!\S)::(?=\S)|##(?=\[)")
"""A workflow command at the beginning of a line, which a narrow terminal makes of any word; the older kind anywhere."""


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` are headings; the first cell of a row is its name."""

    title: str
    columns: TableRow
    rows: tuple[TableRow, ...]
    note: str = ""
    is_believed: bool = True
    """False for figures of a run that is INVALID."""

    @property
    def heading(self) -> str:
        """The title, where nothing is greyed."""
        return self.title if self.is_believed else f"INVALID: {self.title}"


def table(title: str, columns: TableRow, *rows: TableRow, note: str = "") -> Table:
    """Any text in a cell stays in its cell."""
    cells = tuple(tuple(map(printable, row)) for row in rows)
    return Table(printable(title), tuple(map(printable, columns)), cells, printable(note))


def printable(text: str) -> str:
    """On one line and not endless, without what would control a terminal, break XML, or be a command to a CI service.

    Reports may be of others: names and messages in them are anything.
    """
    text = "".join(character if character.isprintable() else " " for character in text[:MAX_CHARS])
    return _COMMAND.sub(lambda found: " ".join(found[0]), text)
