"""A row of the input: its text, its id, its other fields, and its fault."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any, TypeAlias, TypeGuard

import msgspec

from aembed.jobs.columns import Columns
from aembed.jobs.template import Template

RowId: TypeAlias = Hashable

BLOCK_ROWS = 512
"""Rows that are read, and written, at a time."""
BLOCK_BYTES = 2**23
"""A block ends with the row that brings it to this size, so that long rows take no more memory than short ones."""


class Row(msgspec.Struct, gc=False):
    """``number`` is what a person would look for: the line of a text or JSONL file, else the record, from 1."""

    number: int
    id: RowId | None
    text: str
    fields: Mapping[str, Any]
    fault: str = ""
    """Why it cannot be embedded; ``text`` is empty then."""
    piece: int | None = None
    """The number of the piece, where texts are cut into pieces."""


@dataclass(slots=True)
class RowBlock:
    """Some consecutive rows; ``start`` is the index of the first."""

    start: int
    rows: list[Row]
    blank: int = 0
    """Blank lines among them. These are not rows."""
    batch: Any = None
    """The same rows as a ``pyarrow.RecordBatch``, where they come from Parquet and were asked for whole."""
    file: str = ""
    """The file they are from, where the input has several."""


def make_row(number: int, fields: Mapping[str, Any], columns: Columns) -> Row:
    """Make a checked row of a record: a text with a visible fault is never sent to a provider."""
    name, fault = (number, "") if columns.id is None else _id(fields, columns.id)
    if columns.template is None:
        fault = fault or _fault(fields, columns.text)
        return Row(number, name, "" if fault else fields[columns.text], fields, fault)
    text = columns.template.fill(fields)
    fault = fault or _fault_of_template(text, fields, columns.template)
    return Row(number, name, "" if fault else text, fields, fault)


def make_rows(first: int, records: Sequence[Mapping[str, Any]], columns: Columns) -> list[Row]:
    """A row of each record, as :func:`make_row` makes it, numbered from ``first``: at once if nothing is wrong."""
    with suppress(KeyError):
        texts = [] if columns.template is not None else list(map(itemgetter(columns.text), records))
        names = None if columns.id is None else list(map(itemgetter(columns.id), records))
        rows = ordinary_rows(first, texts, names, records) if texts else None
        if rows is not None:
            return rows
    return [make_row(number, record, columns) for number, record in enumerate(records, first)]


def ordinary_rows(
    first: int, texts: Sequence[Any], names: Sequence[Any] | None, fields: Iterable[Mapping[str, Any]] = repeat({})
) -> list[Row] | None:
    """Rows numbered from ``first``, which is their id if ``names`` is ``None``; nothing if one may have a fault."""
    if not _are_texts(texts) or (names is not None and not _are_ids(names)):
        return None
    numbers = range(first, first + len(texts))
    return list(map(Row, numbers, numbers if names is None else names, texts, fields))


def _are_ids(values: Sequence[Any]) -> bool:
    """True if every one is an id as most are."""
    return {str, int}.issuperset(map(type, values)) and all(values)


def _are_texts(values: Sequence[Any]) -> TypeGuard[Sequence[str]]:
    """True if every one is a text that can be embedded."""
    if not {str}.issuperset(map(type, values)) or not all(values) or any(map(str.isspace, values)):
        return False
    return all(map(str.isascii, values)) or not _surrogate("".join(values), "")


def bad_row(number: int, fault: str, columns: Columns) -> Row:
    """A row that could not be read."""
    return Row(number, number if columns.id is None else None, "", {}, fault)


def in_blocks(rows: Iterable[tuple[Row | None, int]]) -> Iterator[RowBlock]:
    """Blocks of rows, each given with its size in bytes; ``None`` is a blank line."""
    block = RowBlock(0, [])
    size = 0
    for row, length in rows:
        if row is None:
            block.blank += 1
        else:
            block.rows.append(row)
        size += length
        if size >= BLOCK_BYTES or len(block.rows) + block.blank == BLOCK_ROWS:
            yield block
            block, size = RowBlock(block.start + len(block.rows), []), 0
    if block.rows or block.blank:
        yield block


def _id(fields: Mapping[str, Any], column: str) -> tuple[RowId | None, str]:
    value = fields.get(column)
    if value and isinstance(value, (str, int)):
        return value, ""
    what = "missing or null" if value is None or value != value else "empty" if value == "" else ""  # noqa: PLR0124 (NaN)
    if not what:
        try:
            hash(value)
        except TypeError:
            what = _type(value)
        else:
            return value, ""
    return None, f"the id in {column!r} is {what}; it must be one value, such as a string or a number"


def _type(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name == "int" else f"a {name}"


def _fault(fields: Mapping[str, Any], column: str) -> str:
    if column not in fields:
        return f"there is no {column!r}"
    text = fields[column]
    if not isinstance(text, str):
        if isinstance(text, bytes):
            return f"{column!r} is not UTF-8"
        return f"{column!r} is {'null' if text is None else _type(text)}, not a string"
    if not text or text.isspace():
        return f"{column!r} is empty or blank, and has no meaning to embed"
    return "" if text.isascii() else _surrogate(text, repr(column))


def _fault_of_template(text: str, fields: Mapping[str, Any], template: Template) -> str:
    if template.is_empty(fields):
        return f"{' and '.join(map(repr, template.names))} are empty or blank, and have no meaning to embed"
    return "" if text.isascii() else _surrogate(text, "the text")


def _surrogate(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"{name} has a lone surrogate at character {error.start}"
    return ""
