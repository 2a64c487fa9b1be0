"""The records of CSV and TSV: parsed in C, part by part of the file; a broken one costs one line."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal, TypeAlias

from aembed.jobs.readers.lines import Line, decode, too_long
from aembed.jobs.reading import Reading

FieldsRead: TypeAlias = tuple[list[str], int, str]
"""Fields, size in bytes, and why it cannot be read, or ""."""

PART_BYTES = 2**16
NO_END = "unexpected end of data"
"""Message of the csv module for a quote that is not closed."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """Format of the records. In ``lenient`` ones a quote that is alone is text."""

    delimiter: str
    quoting: Literal[0, 3]
    lenient: bool


def syntax_of(name: str, reading: Reading) -> Syntax:
    tabs = name.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".zstd").endswith(".tsv")
    delimiter = reading.delimiter or ("\t" if tabs else ",")
    quoting: Literal[0, 3] = csv.QUOTE_NONE if reading.quoting == "none" else csv.QUOTE_MINIMAL
    return Syntax(delimiter, quoting, lenient=delimiter == "\t" and reading.quoting is None)


def read_records(file: BinaryIO, syntax: Syntax, reading: Reading) -> Iterator[FieldsRead]:
    """From the start. Of a broken record only the first line counts; the next record begins after it.

    A record whose end is not found within ``max_row_bytes`` is broken. Bytes read ahead to find it are kept as bytes.
    """
    most = reading.max_row_bytes
    # a limit of the whole process, which cannot be given to one reader; the size of a record is limited here
    csv.field_size_limit(max(csv.field_size_limit(), most))
    file.seek(0)
    data, number, ended = file.read(PART_BYTES).removeprefix(codecs.BOM_UTF8), 1, False
    while data or not ended:
        stop = len(data) if ended else data.rfind(b"\n") + 1
        if not stop and len(data) > most:
            yield [], 0, too_long(number, most)
            data, number = _behind_the_line(file), number + 1
            continue
        part = _DecodedLines(data[:stop], number, reading.encoding)
        done = yield from _parse(part, syntax, most, may_go_on=not ended, beyond=len(data) - stop)
        number = part.line_at(done)
        del part  # it may be as large as a row may be
        rest = data[done:]
        more = b"" if ended else file.read(min(max(PART_BYTES, len(rest)), max(PART_BYTES, most - len(rest) + 1)))
        ended = not more
        data = rest + more if rest else more


def _parse(
    part: _DecodedLines, syntax: Syntax, most: int, *, may_go_on: bool, beyond: int
) -> Generator[FieldsRead, None, int]:
    """The records of a part. Returns where the last one ends, of which the file ``may_go_on`` to have the rest."""
    at, size, tell, lenient = 0, len(part.data), part.stream.tell, syntax.lenient
    while True:
        records = csv.reader(part.texts, delimiter=syntax.delimiter, quoting=syntax.quoting, strict=True)
        error = ""
        try:
            for fields in records:
                end = tell()
                if end - at > most or (lenient and part.spans_fields(fields, at, end)):
                    break
                yield fields, end - at, part.fault
                at, part.fault = end, ""
            else:
                return at
        except csv.Error as failure:
            if may_go_on and tell() == size and size + beyond - at <= most:
                return at
            error = "" if may_go_on and tell() == size and str(failure) == NO_END else str(failure)
        line = part.line(at)
        text, fault = ("", too_long(line.number, most)) if len(line.content) > most else decode(line, part.encoding)
        if fault:
            yield [], 0, fault
        elif lenient:
            fields = next(csv.reader([text], delimiter=syntax.delimiter, quoting=csv.QUOTE_NONE), [])
            yield fields, len(line.content), ""
        else:
            if tell() - at > most or not error:
                error = f"the record is longer than {most:,} bytes"
            yield [], 0, f"line {line.number}: {error}; is a quote not closed?"
        at += len(line.content)
        part.go_to(at)


class _DecodedLines:
    """Some lines of the file, as text; ``fault`` belongs to one of those read last."""

    def __init__(self, data: bytes, number: int, encoding: str | None) -> None:
        self.data = data
        self.stream = BytesIO(data)
        self.encoding = encoding
        self.fault = ""
        self._counted = 0, number
        """A place, and the number of the line there."""
        self._next = number
        self.texts: Iterator[str] = map(bytes.decode, self.stream) if _is_plain(data) else self._checked()

    def line_at(self, at: int) -> int:
        """The number of the line that begins there. Places are asked for in ascending order."""
        place, number = self._counted
        self._counted = at, number + self.data.count(b"\n", place, at)
        return self._counted[1]

    def line(self, at: int) -> Line:
        end = self.data.find(b"\n", at) + 1 or len(self.data)
        return Line(self.line_at(at), self.data[at:end])

    def go_to(self, at: int) -> None:
        """Read on from there."""
        self.stream.seek(at)
        self.fault, self._next = "", self.line_at(at)

    def spans_fields(self, fields: list[str], at: int, end: int) -> bool:
        """True if a quoted field of TSV holds a tab and a line end: two lone quotes look like that."""
        several = self.data.find(b"\n", at, end - 1) >= 0
        return several and any("\t" in field and "\n" in field for field in fields)

    def _checked(self) -> Iterator[str]:
        while content := self.stream.readline():
            text, fault = decode(Line(self._next, content), self.encoding)
            self._next += 1
            self.fault = self.fault or fault
            yield text


def _is_plain(data: bytes) -> bool:
    """True if it is UTF-8 without a zero byte."""
    if b"\0" in data:
        return False
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _behind_the_line(file: BinaryIO) -> bytes:
    """Bytes read beyond the next line end."""
    while part := file.read(PART_BYTES):
        end = part.find(b"\n") + 1
        if end:
            return part[end:]
    return b""
