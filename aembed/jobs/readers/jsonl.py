"""JSONL: every line that is not blank is a row, and must be a JSON object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from typing import Any, BinaryIO, TypeAlias

import msgspec

from aembed.jobs import json_values
from aembed.jobs.columns import Columns, columns_of_rows
from aembed.jobs.readers.lines import Lines, read_blocks
from aembed.jobs.reading import Reading
from aembed.jobs.rows import RowBlock, bad_row, make_row, make_rows, ordinary_rows

MakeBlock: TypeAlias = Callable[[int, Lines], RowBlock]
"""The block of some lines, from the index of its first row."""

DECODER = msgspec.json.Decoder()
DECODING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def jsonl_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    """No line lists the fields of the others."""
    return columns_of_rows(reading)


def read_jsonl(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    """The rows without fields that are neither text nor id, which are not decoded: that takes half of the time."""
    decoder = _narrow_decoder(columns)
    if decoder is None:
        yield from read_whole_jsonl(name, file, reading, columns)
        return

    def make(start: int, lines: Lines) -> RowBlock:
        with suppress(*DECODING_ERRORS):
            b"".join(lines.contents).decode()  # the decoder skips what is not UTF-8 in other fields
            records = list(map(decoder.decode, lines.contents))
            names = None if columns.id is None else list(map(attrgetter("id"), records))
            rows = ordinary_rows(lines.first, list(map(attrgetter("text"), records)), names)
            if rows is not None:
                return RowBlock(start, rows)
        return _whole_block(start, lines, reading, columns)

    yield from _blocks(file, reading, make)


def _narrow_decoder(columns: Columns) -> msgspec.json.Decoder[Any] | None:
    """A decoder of records with a text and, where there is a column for it, an id."""
    if columns.template is not None:
        return None
    used: dict[str, Any] = {"text": str} if columns.id is None else {"text": str, "id": Any}
    names = {"text": columns.text} if columns.id is None else {"text": columns.text, "id": columns.id}
    with suppress(ValueError):  # one column is both, or its name has a character that JSON escapes
        return msgspec.json.Decoder(msgspec.defstruct("Record", list(used.items()), rename=names, gc=False))
    return None


def read_whole_jsonl(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    yield from _blocks(file, reading, lambda start, lines: _whole_block(start, lines, reading, columns))


def _blocks(file: BinaryIO, reading: Reading, make: MakeBlock) -> Iterator[RowBlock]:
    start = 0
    for lines in read_blocks(file, reading.max_row_bytes):
        block = make(start, lines)
        start += len(block.rows)
        del lines
        yield block
        del block  # or it would be in memory together with the next one


def _whole_block(start: int, lines: Lines, reading: Reading, columns: Columns) -> RowBlock:
    try:
        records = list(map(DECODER.decode, lines.contents))
    except DECODING_ERRORS:
        records = []
    if set(map(type, records)) == {dict}:
        return RowBlock(start, make_rows(lines.first, records, columns))
    return _one_by_one(start, lines, reading, columns)


def _one_by_one(start: int, lines: Lines, reading: Reading, columns: Columns) -> RowBlock:
    """Lines of which one at least is blank, or no record."""
    block = RowBlock(start, [])
    for number, content in enumerate(lines.contents, lines.first):
        if content.isspace():
            block.blank += 1
            continue
        fields = lines.fault or _decode(content, reading.encoding or "UTF-8")
        if isinstance(fields, str):
            block.rows.append(bad_row(number, fields, columns))
        else:
            block.rows.append(make_row(number, fields, columns))
    return block


def _decode(line: bytes, encoding: str) -> dict[str, Any] | str:
    """The object, or its fault."""
    try:
        fields = DECODER.decode(line)
    except DECODING_ERRORS as error:
        with suppress(ValueError, RecursionError):
            fields = json_values.loads(line)
            if isinstance(fields, dict):
                return fields
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _reason(error, line, encoding)
        return f"the line is not valid JSON: {reason}"
    if not isinstance(fields, dict):
        return f"the line is a JSON {type(fields).__name__}, not an object"
    return fields


def _reason(error: msgspec.DecodeError | UnicodeDecodeError, line: bytes, encoding: str) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:  # the decoder counts from the start of a string
        return f"it is not {encoding} at byte {wrong.start}"
    return str(error).removeprefix("JSON is malformed: ")
