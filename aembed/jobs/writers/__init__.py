"""Output formats. A ``.npy`` file is the job's own file of vectors, so that there is nothing left to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aembed import Vectors
from aembed.jobs.place import Place
from aembed.jobs.rows import Block
from aembed.jobs.source import Source, schema_of
from aembed.jobs.survey import Survey
from aembed.jobs.writers.jsonl import JsonlWriter
from aembed.jobs.writers.parquet import ParquetWriter, schema_of_rows


class Writer(Protocol):
    """Takes the rows ``kept`` of each block, with their vectors."""

    def write(self, block: Block, kept: Sequence[int], vectors: Vectors) -> None: ...

    def close(self) -> None: ...


class NothingToWrite:
    """For ``.npy``."""

    def write(self, block: Block, kept: Sequence[int], vectors: Vectors) -> None:
        """The vectors stand where they belong."""

    def close(self) -> None:
        """There is nothing open."""


def open_writer(place: Place, source: Source, survey: Survey, dim: int, column: str) -> Writer:
    if place.format == "npy":
        return NothingToWrite()
    if place.format == "jsonl":
        return JsonlWriter(place.assembled, column, numbered=survey.numbered)
    from_rows = source.format != "parquet"
    schema = schema_of_rows(survey.kinds, source.columns.id) if from_rows else schema_of(source)
    return ParquetWriter(place.assembled, schema, source.columns, dim, column, numbered=survey.numbered)
