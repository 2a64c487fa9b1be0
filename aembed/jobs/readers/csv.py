"""CSV and TSV: the first record names the columns, every other one is a row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from aembed.jobs.columns import Columns, columns_of_file
from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.records import read_records, syntax_of
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Row, RowBlock, bad_row, in_blocks, make_row


def csv_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    header = next(read_records(file, syntax_of(name, reading), reading), None)
    if header is None:
        raise JobInputError(f"{name} is empty; its first line must name the columns")
    names, _, fault = header
    if fault:
        raise JobInputError(f"{name}: its first line must name the columns, but {fault}")
    return columns_of_file(name, names, reading)


def read_csv(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    return in_blocks(_rows(name, file, reading, columns))


def _rows(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    records = read_records(file, syntax_of(name, reading), reading)
    next(records, None)
    names, width = columns.names, len(columns.names)
    for number, (fields, size, fault) in enumerate(records, 1):
        if len(fields) > width and not any(fields[width:]):
            del fields[width:]  # a trailing comma, which the header lacks
        if fault:
            yield bad_row(number, fault, columns), 0
        elif len(fields) == width:
            yield make_row(number, dict(zip(names, fields)), columns), size  # noqa: B905 (they are of one length)
        elif not fields:
            yield None, size
        else:
            yield bad_row(number, f"the record has {len(fields)} fields, and the header {width}", columns), 0
