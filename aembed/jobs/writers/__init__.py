"""Output formats. A ``.npy`` file in float32 is the job's own file of vectors, and needs no writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

from numpy.typing import NDArray

from aembed.jobs.arrow import pyarrow, the_parquet
from aembed.jobs.errors import JobOutputError
from aembed.jobs.existing import ExistingOutput
from aembed.jobs.paths import Output
from aembed.jobs.pieces import with_pieces
from aembed.jobs.quantized import STORED, stored_width
from aembed.jobs.record import OutputRecord
from aembed.jobs.rows import RowBlock
from aembed.jobs.source import JobSource, schema_of
from aembed.jobs.survey import Survey
from aembed.jobs.writers.jsonl import JsonlWriter
from aembed.jobs.writers.npy import NpyWriter
from aembed.jobs.writers.parquet import ParquetWriter, schema_of_rows


class Writer(Protocol):
    """Takes the rows ``kept`` of each block; ``vectors`` are those of all its rows, as they are stored."""

    def write(self, block: RowBlock, kept: Sequence[int], vectors: NDArray[Any]) -> None: ...

    def add(self, part: Any) -> None:
        """Take rows as an earlier output of this format has them: see :class:`KeptRows`."""

    def close(self) -> None:
        """Write the rest. Without it the file is not complete."""

    def release(self) -> None:
        """Let go of the file, complete or not."""


def _schema(source: JobSource) -> Any:
    schema = schema_of(source)
    return schema if source.splitter is None else with_pieces(schema, source.columns)


def parquet_schema(source: JobSource, survey: Survey, kept: ExistingOutput | None) -> Any:
    """The columns of a Parquet output, without its vectors and numbers: those of the rows that are kept, as well.

    Raises:
        JobOutputError: a column of the kept rows has a type that does not go together with the input's.
    """
    schema = schema_of_rows(survey.column_types, source.columns.id) if source.format != "parquet" else _schema(source)
    if kept is None:
        return schema
    own = {"id", kept.record.vector_column} if survey.numbered else {kept.record.vector_column}
    earlier = the_parquet().read_schema(kept.output.path).remove_metadata()
    columns = pyarrow().schema([field for field in earlier if field.name not in own])
    try:
        return pyarrow().unify_schemas([schema, columns], promote_options="permissive")
    except (pyarrow().ArrowException, ValueError) as error:
        raise JobOutputError(
            f"{kept.output.name} has columns that do not go together with the input's: {error}; update "
            "without keep=True, or write JSONL"
        ) from None


def open_writer(
    output: Output,
    file: BinaryIO,
    source: JobSource,
    survey: Survey,
    record: OutputRecord,
    *,
    kept: ExistingOutput | None = None,
) -> Writer:
    """The writer for an output; the file stays open when it is closed.

    ``kept`` is its earlier version, if rows of that are added.
    """
    width, kind = stored_width(record.dim, record.dtype), STORED[record.dtype]
    if output.format == "npy":
        return NpyWriter(file, record.rows, width, kind)
    column = record.vector_column
    if output.format == "jsonl":
        return JsonlWriter(file, column, numbered=survey.numbered)
    return ParquetWriter(
        file,
        parquet_schema(source, survey, kept),
        source.columns,
        width=width,
        vector_column=column,
        kind=kind,
        record=record.encoded(),
        numbered=survey.numbered,
    )
