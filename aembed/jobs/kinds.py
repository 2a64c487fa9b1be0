"""Types of the fields of rows: a Parquet file must know them before its first row."""

from __future__ import annotations

from typing import Any

from aembed.jobs.errors import JobInputError
from aembed.jobs.rows import Block

MOST_COLUMNS = 2000
LARGEST = 2**63
EXACT = 2**53
"""Up to this one every whole number is a float as well."""


class Kinds:
    """Column -> the kinds of value seen in it: "bool", "int", "float", "str", and "json" for all else.

    A "long" is an int that no float holds; no column has that kind.
    """

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def add(self, block: Block) -> None:
        """Look at every field.

        Raises:
            JobInputError: there are too many columns for them to be columns.
        """
        for row in block.rows:
            for column, value in row.fields.items():
                self.seen.setdefault(column, set()).add(_kind(value))
        if len(self.seen) > MOST_COLUMNS:
            raise JobInputError(
                f"the rows have more than {MOST_COLUMNS} different fields; write JSONL instead of Parquet"
            )

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


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (float, str)):  # also those that remember how they were written
        return "float" if isinstance(value, float) else "str"
    kind = type(value).__name__
    if kind == "int":
        return "int" if -EXACT <= value <= EXACT else "long" if -LARGEST <= value < LARGEST else "json"
    return kind if kind in {"bool", "float", "str"} else "json"
