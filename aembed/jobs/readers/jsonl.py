"""JSONL: every line that is not blank is a row, and must be a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from aembed.jobs import json_values
from aembed.jobs.columns import Columns, columns_of_rows
from aembed.jobs.readers.lines import Lines, read_blocks
from aembed.jobs.reading import Reading
from aembed.jobs.rows import RowBlock, bad_row, make_row, make_rows

DECODER = msgspec.json.Decoder()
DECODING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def jsonl_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    """No line lists the fields of the others."""
    return columns_of_rows(reading)


def read_jsonl(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[RowBlock]:
    start = 0
    for lines in read_blocks(file, reading.max_row_bytes):
        block = _block(start, lines, reading, columns)
        start += len(block.rows)
        del lines
        yield block
        del block  # or it would be in memory together with the next one


def _block(start: int, lines: Lines, reading: Reading, columns: Columns) -> RowBlock:
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
