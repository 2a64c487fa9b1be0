"""Text: every line that is not blank is a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from aembed.jobs.readers.lines import decode, read_lines
from aembed.jobs.rows import Block, Columns, Row, in_blocks, make_row


def text_columns(name: str, file: BinaryIO, text_column: str | None, id_column: str | None) -> Columns:
    """None: there is the line, and its number."""
    return Columns()


def read_text(name: str, file: BinaryIO, columns: Columns) -> Iterator[Block]:
    return in_blocks(_rows(name, file, columns))


def _rows(name: str, file: BinaryIO, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    for line in read_lines(name, file):
        text = decode(name, line).rstrip("\r\n")
        blank = not text or text.isspace()
        yield None if blank else make_row(line.number, {"text": text}, columns), len(line.content)
