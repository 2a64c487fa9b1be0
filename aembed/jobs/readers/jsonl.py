"""JSONL: every line that is not blank is a row, and must be a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

import msgspec

from aembed.jobs import json_values
from aembed.jobs.readers.lines import read_lines
from aembed.jobs.rows import Block, Columns, Row, in_blocks, make_row

DECODER = msgspec.json.Decoder()


def jsonl_columns(name: str, file: BinaryIO, text_column: str | None, id_column: str | None) -> Columns:
    """No line says what fields the others have."""
    return Columns("text" if text_column is None else text_column, id_column)


def read_jsonl(name: str, file: BinaryIO, columns: Columns) -> Iterator[Block]:
    return in_blocks(_rows(name, file, columns))


def _rows(name: str, file: BinaryIO, columns: Columns) -> Iterator[tuple[Row | None, int]]:
    for line in read_lines(name, file):
        if line.content.isspace():
            yield None, len(line.content)
            continue
        fields = _decode(line.content)
        if isinstance(fields, str):
            yield Row(line.number, line.number if columns.id is None else None, "", {}, fields), 0
        else:
            yield make_row(line.number, fields, columns), len(line.content)


def _decode(line: bytes) -> dict[str, Any] | str:
    """The object, or what is wrong with it."""
    try:
        fields = DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        with suppress(ValueError, RecursionError):
            fields = json_values.loads(line)
            if isinstance(fields, dict):
                return fields
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _reason(error, line)
        return f"the line is not valid JSON: {reason}"
    if not isinstance(fields, dict):
        return f"the line is a JSON {type(fields).__name__}, not an object"
    return fields


def _reason(error: msgspec.DecodeError | UnicodeDecodeError, line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:  # the decoder counts from the start of a string
        return f"it is not UTF-8 at byte {wrong.start}"
    return str(error).removeprefix("JSON is malformed: ")
