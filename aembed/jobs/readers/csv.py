"""CSV and TSV: the first record names the columns, every other one is a row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import BinaryIO

from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.choose import choose_columns
from aembed.jobs.readers.lines import decode, read_lines
from aembed.jobs.rows import Block, Columns, Row, in_blocks, make_row


def csv_columns(name: str, file: BinaryIO, text_column: str | None, id_column: str | None) -> Columns:
    return choose_columns(name, next(_records(name, file), []), text_column, id_column)


def read_csv(name: str, file: BinaryIO, columns: Columns) -> Iterator[Block]:
    return in_blocks(_rows(name, file, columns))


def _rows(name: str, file: BinaryIO, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    records = _records(name, file)
    header = next(records, [])
    for number, record in enumerate(records, 1):
        if not record:
            yield None, 0
        elif len(record) != len(header):
            fault = f"the record has {len(record)} fields, and the header {len(header)}"
            yield Row(number, number if columns.id is None else None, "", {}, fault), 0
        else:
            yield make_row(number, dict(zip(columns.names, record, strict=True)), columns), sum(map(len, record))


def _records(name: str, file: BinaryIO) -> Iterator[list[str]]:
    reader = csv.reader(
        (decode(name, line) for line in read_lines(name, file)),
        delimiter="\t" if name.lower().endswith(".tsv") else ",",
        strict=True,
    )
    try:
        yield from reader
    except csv.Error as error:
        raise JobInputError(
            f"{name} is not CSV as it is usually written: line {reader.line_num}: {error}; is a quote not closed?"
        ) from None
