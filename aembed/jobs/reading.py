"""Reading of an input: everything that decides its rows, their texts and their ids."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from aembed.jobs.errors import JobInputError
from aembed.jobs.template import Template

InputFormat: TypeAlias = Literal["text", "jsonl", "csv", "parquet"]
Quoting: TypeAlias = Literal["minimal", "none"]

FORMATS: tuple[InputFormat, ...] = ("text", "jsonl", "csv", "parquet")
QUOTINGS: tuple[Quoting, ...] = ("minimal", "none")
MAX_ROW_BYTES = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The options of an input, checked."""

    text_column: str | None = None
    text: str | None = None
    """A template of several columns."""
    id_column: str | None = None
    input_format: str | None = None
    encoding: str | None = None
    """Encoding of text formats; ``None`` is UTF-8."""
    delimiter: str | None = None
    quoting: str | None = None
    max_row_bytes: int = MAX_ROW_BYTES
    """A longer line, or record of CSV, is rejected; so is Parquet whose pages have more than eight times as much."""
    limit: int | None = None
    """The number of rows to read."""
    shard: tuple[int, int] | None = None
    """``(3, 8)``: the third of eight parts of about equal numbers of rows."""

    in_pieces: bool = False
    """Make a row of each piece of a text that is too long for the model."""

    def __post_init__(self) -> None:
        if self.input_format is not None and self.input_format not in FORMATS:
            raise JobInputError(f"input format {self.input_format!r} is not known; known are: {', '.join(FORMATS)}")
        if self.text is not None and self.text_column is not None:
            raise JobInputError("text and text_column are both given; leave one out")
        if self.text is not None:
            Template(self.text)
        if self.quoting is not None and self.quoting not in QUOTINGS:
            raise JobInputError(f"quoting={self.quoting!r} is not known; known are: {', '.join(QUOTINGS)}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise JobInputError(f"delimiter={self.delimiter!r} is not one character; give one, such as ';'")
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.limit is not None and self.limit < 1:
            raise JobInputError(f"limit={self.limit}: give at least 1, or leave it out for all rows")
        if self.max_row_bytes < 1:
            raise JobInputError(f"max_row_bytes={self.max_row_bytes}: give at least 1")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise JobInputError(f"shard={self.shard[0]}/{self.shard[1]}: give a number from 1 to the number of shards")

    @property
    def template(self) -> Template | None:
        """The parsed ``text``."""
        return None if self.text is None else Template(self.text)

    def settings(self) -> dict[str, Any]:
        """The options that decide rows and texts and are not at their defaults."""
        options = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "input_format"}
        chosen = {name: value for name, value in options.items() if value is not None}
        if self.max_row_bytes == MAX_ROW_BYTES:
            del chosen["max_row_bytes"]
        if chosen.pop("in_pieces"):
            chosen["overlong"] = "rows"
        if self.shard is not None:
            chosen["shard"] = "/".join(map(str, self.shard))
        return chosen


def _check_encoding(name: str) -> None:
    try:
        "".encode(name)
    except (LookupError, ValueError):
        raise JobInputError(f"encoding={name!r} is not known; give one that Python has, such as cp1252") from None
