"""Text: every line that is not blank is a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from aembed.jobs.columns import Columns
from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.lines import decode, read_lines
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Row, RowBlock, bad_row, in_blocks, make_row


def text_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    """The usual ones: a row has its line and number, and no other fields."""
    options = {"text_column": reading.text_column, "text": reading.text, "id_column": reading.id_column}
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise JobInputError(
            f"{name} is read as text, which has no columns; leave {given[0]} out, or say its input_format"
        )
    return Columns()


def read_text(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    return in_blocks(_rows(file, reading, columns))


def _rows(file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    for line in read_lines(file, reading.max_row_bytes):
        text, fault = decode(line, reading.encoding)
        text = text.rstrip("\r\n")
        if fault:
            yield bad_row(line.number, fault, columns), 0
        elif not text or text.isspace():
            yield None, len(line.content)
        else:
            yield make_row(line.number, {"text": text}, columns), len(line.content)
