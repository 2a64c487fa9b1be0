"""Input formats: for each, which columns a file has, and its rows in blocks. Both read the file from its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from aembed.jobs.columns import Columns
from aembed.jobs.readers.csv import csv_columns, read_csv
from aembed.jobs.readers.jsonl import jsonl_columns, read_jsonl, read_whole_jsonl
from aembed.jobs.readers.parquet import parquet_columns, read_parquet, read_whole_parquet
from aembed.jobs.readers.text import read_text, text_columns
from aembed.jobs.reading import InputFormat, Reading
from aembed.jobs.rows import RowBlock


@dataclass(frozen=True, slots=True)
class Reader:
    columns: Callable[[str, BinaryIO, Reading], Columns]
    rows: Callable[[str, BinaryIO, Reading, Columns], Iterator[RowBlock]]
    whole: Callable[[str, BinaryIO, Reading, Columns], Iterator[RowBlock]]
    """The same rows with all their fields."""


READERS: dict[InputFormat, Reader] = {
    "text": Reader(text_columns, read_text, read_text),
    "jsonl": Reader(jsonl_columns, read_jsonl, read_whole_jsonl),
    "csv": Reader(csv_columns, read_csv, read_csv),
    "parquet": Reader(parquet_columns, read_parquet, read_whole_parquet),
}
