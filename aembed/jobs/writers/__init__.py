"""Output formats. A ``.npy`` file in float32 is the job's own file of vectors, and needs no writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

from numpy.typing import NDArray

from aembed.jobs.pieces import with_pieces
from aembed.jobs.place import Output
from aembed.jobs.quantized import STORED, stored_width
from aembed.jobs.record import OutputRecord
from aembed.jobs.rows import Block
from aembed.jobs.source import Source, schema_of
from aembed.jobs.survey import Survey
from aembed.jobs.writers.jsonl import JsonlWriter
from aembed.jobs.writers.npy import NpyWriter
from aembed.jobs.writers.parquet import ParquetWriter, schema_of_rows


class Writer(Protocol):
    """Takes the rows ``kept`` of each block; ``vectors`` are those of all its rows, as they are stored."""

    def write(self, block: Block, kept: Sequence[int], vectors: NDArray[Any]) -> None: ...

    def close(self) -> None:
        """Write what is left. Without it the file is not complete."""


def _schema(source: Source) -> Any:
    schema = schema_of(source)
    return schema if source.splitter is None else with_pieces(schema, source.columns)


def open_writer(output: Output, file: BinaryIO, source: Source, survey: Survey, record: OutputRecord) -> Writer:
    """The writer for an output; the file stays open when it is closed."""
    width, kind = stored_width(record.dim, record.dtype), STORED[record.dtype]
    if output.format == "npy":
        return NpyWriter(file, record.rows, width, kind)
    column = record.vector_column
    if output.format == "jsonl":
        return JsonlWriter(file, column, numbered=survey.numbered)
    from_rows = source.format != "parquet"
    schema = schema_of_rows(survey.kinds, source.columns.id) if from_rows else _schema(source)
    return ParquetWriter(
        file,
        schema,
        source.columns,
        width=width,
        vector_column=column,
        kind=kind,
        record=record.encoded(),
        numbered=survey.numbered,
    )
