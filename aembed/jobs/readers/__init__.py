"""Input formats: for each, which columns it has, and its rows in blocks. Both read the file from its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from aembed.jobs.errors import JobInputError
from aembed.jobs.readers.csv import csv_columns, read_csv
from aembed.jobs.readers.jsonl import jsonl_columns, read_jsonl
from aembed.jobs.readers.parquet import parquet_columns, read_parquet, read_whole_parquet
from aembed.jobs.readers.text import read_text, text_columns
from aembed.jobs.rows import Block, Columns

InputFormat: TypeAlias = Literal["text", "jsonl", "csv", "parquet"]

ENDINGS: dict[str, InputFormat] = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "csv",
    "parquet": "parquet",
    "pq": "parquet",
}
"""Any other file is read as text."""


@dataclass(frozen=True, slots=True)
class Reader:
    columns: Callable[[str, BinaryIO, str | None, str | None], Columns]
    rows: Callable[[str, BinaryIO, Columns], Iterator[Block]]
    whole: Callable[[str, BinaryIO, Columns], Iterator[Block]]
    """The same rows with everything that stands in them."""


READERS: dict[InputFormat, Reader] = {
    "text": Reader(text_columns, read_text, read_text),
    "jsonl": Reader(jsonl_columns, read_jsonl, read_jsonl),
    "csv": Reader(csv_columns, read_csv, read_csv),
    "parquet": Reader(parquet_columns, read_parquet, read_whole_parquet),
}


def input_format(name: str, asked: str | None) -> InputFormat:
    """The format asked for, or else what the name's ending says.

    Raises:
        JobInputError: there is no such format.
    """
    if asked is None:
        ending = name.rpartition(".")[2].lower()
        if ending == "json":
            raise JobInputError(f"{name}: JSON is read line by line, one object on each; name it .jsonl if it is that")
        return ENDINGS.get(ending, "text")
    for known in READERS:
        if known == asked:
            return known
    raise JobInputError(f"input format {asked!r} is not known; known are: {', '.join(READERS)}")
