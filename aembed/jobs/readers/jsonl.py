"""JSONL: every line that is not blank is a row, and must be a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from aembed.jobs import json_values
from aembed.jobs.columns import Columns, columns_of_rows
from aembed.jobs.readers.lines import read_lines
from aembed.jobs.reading import Reading
from aembed.jobs.rows import Block, Row, bad_row, in_blocks, make_row

DECODER = msgspec.json.Decoder()


def jsonl_columns(name: str, file: BinaryIO, reading: Reading) -> Columns:
    """No line says what fields the others have."""
    return columns_of_rows(reading)


def read_jsonl(name: str, file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[Block]:
    return in_blocks(_rows(file, reading, columns))


def _rows(file: BinaryIO, reading: Reading, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    for line in read_lines(file, reading.max_row_bytes):
        if line.content.isspace():
            yield None, len(line.content)
            continue
        fields = line.fault or _decode(line.content, reading.encoding or "UTF-8")
        if isinstance(fields, str):
            yield bad_row(line.number, fields, columns), 0
        else:
            yield make_row(line.number, fields, columns), len(line.content)


def _decode(line: bytes, encoding: str) -> dict[str, Any] | str:
    """The object, or what is wrong with it."""
    try:
        fields = DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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
