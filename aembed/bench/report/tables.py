"""Reports as tables of text: what every format shows, made once. Pure."""

from __future__ import annotations

from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """``columns`` are headings; the first cell of a row is its name."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    note: str = ""


def table(title: str, columns: Row, *rows: Row, note: str = "") -> Table:
    """Whatever the cells hold, each stays in its place."""
    return Table(title, columns, tuple(tuple(map(printable, row)) for row in rows), printable(note))


def printable(text: str) -> str:
    """On one line, without what would control a terminal or break XML."""
    return "".join(character if character.isprintable() else " " for character in text)
