"""Types of the fields of rows: a Parquet file must know them before its first row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from types import NoneType
from typing import Any

from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import RowBlock

MAX_COLUMNS = 2000
INT64_LIMIT = 2**63
MAX_EXACT_INTEGER = 2**53
"""Largest whole number up to which every one is a float as well."""
KIND_NAMES = ((NoneType, "null"), (bool, "bool"), (float, "float"), (str, "str"))
"""Also for numbers and strings that remember how they were written."""


class ColumnTypes:
    """Column -> the kinds of value seen in it: "bool", "int", "float", "str", and "json" for all else.

    A "long" is an int that no float holds; no column has that kind.
    """

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def add(self, block: RowBlock) -> None:
        """Note the type of every field.

        Raises:
            JobInputError: there are too many columns for them to be columns.
        """
        columns = _columns([row.fields for row in block.rows])
        if len(self.seen.keys() | columns) > MAX_COLUMNS:
            raise JobInputError(
                f"the rows have more than {MAX_COLUMNS} different fields; write JSONL instead of Parquet"
            )
        for column, values in columns.items():
            self.seen.setdefault(column, set()).update(_kinds(values))

    def column(self, name: str) -> str:
        """The one kind that holds every value of a column; "json" is a string of JSON."""
        kinds = self.seen.get(name, set()) - {"null"}
        if kinds == {"int", "float"}:
            return "float"
        if "long" in kinds and kinds <= {"int", "long"}:
            return "int"
        if not kinds:
            return "str"
        return kinds.pop() if len(kinds) == 1 else "json"


def _columns(records: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
    """Values by column: at once if all records have the same ones."""
    names = list(records[0]) if records else []
    if {len(names)}.issuperset(map(len, records)):
        with suppress(KeyError):
            return {name: list(map(itemgetter(name), records)) for name in names}
    columns = defaultdict[str, list[Any]](list)
    for record in records:
        for name, value in record.items():
            columns[name].append(value)
    return columns


def _kinds(values: Sequence[Any]) -> set[str]:
    types = set(map(type, values))
    kinds = {_kind(each) for each in types - {int}}
    if int in types:
        whole = [value for value in values if type(value) is int]
        kinds |= {_size(min(whole)), _size(max(whole))}
    return kinds


def _kind(of: type) -> str:
    return next((name for known, name in KIND_NAMES if issubclass(of, known)), "json")


def _size(value: int) -> str:
    return (
        "int"
        if -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER
        else "long"
        if -INT64_LIMIT <= value < INT64_LIMIT
        else "json"
    )
