"""CSV and TSV: the first record names the columns, every other one is a row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from aembed.jobs.columns import Columns, columns_of_file
from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.lines import Line, decode, read_lines
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Block, Row, bad_row, in_blocks, make_row


@dataclass(slots=True)
class Record:
    """One record, or why it cannot be read."""

    fields: list[str]
    size: int
    fault: str = ""


def csv_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    header = next(_records(name, file, reading), None)
    if header is None:
        raise JobInputError(f"{name} is empty; its first line must name the columns")
    if header.fault:
        raise JobInputError(f"{name}: its first line must name the columns, but {header.fault}")
    return columns_of_file(name, header.fields, reading)


def read_csv(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[Block]:
    return in_blocks(_rows(name, file, reading, columns))


def _rows(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    records = _records(name, file, reading)
    next(records, None)
    width = len(columns.names)
    for number, record in enumerate(records, 1):
        found = record.fields
        if len(found) == width and not record.fault:
            yield make_row(number, dict(zip(columns.names, found, strict=True)), columns), record.size
            continue
        if len(found) > width and not any(found[width:]):
            del found[width:]  # a comma at the end of the line, where the header has none
        if record.fault:
            yield bad_row(number, record.fault, columns), 0
        elif not found:
            yield None, record.size
        elif len(found) != width:
            yield bad_row(number, f"the record has {len(found)} fields, and the header {width}", columns), 0
        else:
            yield make_row(number, dict(zip(columns.names, found, strict=True)), columns), record.size


def _records(name: str, file: BinaryIO, reading: Reading) -> Iterator[Record]:
    """The records. One that is broken is one line: the next record begins behind it."""
    # a limit of the whole process, which cannot be given to one reader; the size of a record is limited here
    csv.field_size_limit(max(csv.field_size_limit(), reading.max_row_bytes))
    tabs = name.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".zstd").endswith(".tsv")
    delimiter = reading.delimiter or ("\t" if tabs else ",")
    lenient = delimiter == "\t" and reading.quoting is None
    lines = _Feed(read_lines(file, reading.max_row_bytes), reading)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if reading.quoting == "none" else csv.QUOTE_MINIMAL
    records = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        lines.begin()
        broken = False
        try:
            found = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            broken, found = True, []
            lines.fault = f"line {lines.first.number}: {error}; is a quote not closed?"
        if lenient and not lines.first_fault and (broken or _spans_fields(found, lines)):
            found, lines.fault = _literally(lines, delimiter), ""
            broken = True
        if broken:
            lines.go_back()
        yield Record(found, lines.size, lines.fault)


def _spans_fields(found: list[str], lines: _Feed) -> bool:
    """True if a quoted field of TSV holds a tab and a line end: two lone quotes look like that."""
    return len(lines.record) > 1 and any("\t" in field and "\n" in field for field in found)


def _literally(lines: _Feed, delimiter: str) -> list[str]:
    """The first line, its quotes taken as text."""
    text, _ = decode(lines.first, lines.encoding)
    return next(csv.reader([text], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])


class _Feed:
    """Lines for ``csv.reader``, which can go back to the second line of a record that turned out to be broken."""

    def __init__(self, lines: Iterator[Line], reading: Reading) -> None:
        self.encoding = reading.encoding
        self.record: list[Line] = []
        self.size = 0
        self.fault = ""
        self.first_fault = ""
        """What is wrong with the first line of the record itself."""
        self._most = reading.max_row_bytes
        self._lines = lines
        self._again: deque[Line] = deque()

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.record.append(line)
        self.size += len(line.content)
        if self.size > self._most:
            raise csv.Error(f"the record is longer than {self._most:,} bytes")
        text, fault = decode(line, self.encoding)
        self.fault = self.fault or fault
        if len(self.record) == 1:
            self.first_fault = fault
        return text

    @property
    def first(self) -> Line:
        return self.record[0]

    def begin(self) -> None:
        """The next line begins a record."""
        self.record.clear()
        self.size, self.fault, self.first_fault = 0, "", ""

    def go_back(self) -> None:
        """Read all lines of the record but the first once more."""
        self._again.extendleft(reversed(self.record[1:]))
        del self.record[1:]
        self.size = len(self.first.content)
