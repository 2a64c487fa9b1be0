"""Parquet: each row of the input with its vector, as a list of fixed size; in its metadata how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, BinaryIO

from numpy.typing import NDArray

from aembed.jobs.arrow import array_of, conformed, lists_of, pyarrow, release_memory, some_rows, the_parquet
from aembed.jobs.column_types import ColumnTypes
from aembed.jobs.columns import Columns
from aembed.jobs.json_values import JsonText, json_text
from aembed.jobs.record import METADATA
from aembed.jobs.rows import RowBlock

GROUP_BYTES = 2**24
"""Rows of a row group before it is encoded, all in memory."""

PAGE_ROWS = 64
"""Rows between two looks at the size of a page: with 1,024 a page of long texts would take a gigabyte."""


class ParquetWriter:
    """With ``numbered``, ``id`` is the number of the row."""

    def __init__(
        self,
        file: BinaryIO,
        schema: Any,
        columns: Columns,
        *,
        width: int,
        vector_column: str,
        kind: Any,
        record: bytes,
        numbered: bool,
    ) -> None:
        pa = pyarrow()
        self._rows = schema
        self._numbered = numbered
        if self._numbered:
            schema = schema.insert(0, pa.field("id", pa.int64()))
        self._schema = schema.append(pa.field(vector_column, pa.list_(pa.from_numpy_dtype(kind), width)))
        self._schema = self._schema.with_metadata((schema.metadata or {}) | {METADATA: record})
        repeating = [name for name in self._schema.names if name != vector_column]  # no two vectors are the same
        self._file = the_parquet().ParquetWriter(
            file,
            self._schema,
            use_dictionary=repeating,
            write_statistics=[field.name for field in self._schema if _has_statistics(field, columns, vector_column)],
            write_batch_size=PAGE_ROWS,
        )
        self._held: list[Any] = []
        self._held_rows = 0
        self._held_bytes = 0

    def write(self, block: RowBlock, kept: Sequence[int], vectors: NDArray[Any]) -> None:
        pa = pyarrow()
        batch = some_rows(block.batch, kept) if block.batch is not None else _batch(block, kept, self._rows)
        if batch.schema.names != self._rows.names:  # rows that are kept have more columns
            batch = conformed(batch, self._rows)
        columns = list(batch.columns)
        if self._numbered:
            columns.insert(0, array_of([block.rows[at].id for at in kept], pa.int64()))
        columns.append(lists_of(vectors if len(kept) == len(vectors) else vectors[kept]))
        self._hold(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def add(self, part: Any) -> None:
        self._hold(conformed(part, self._schema))

    def _hold(self, batch: Any) -> None:
        if self._held_bytes + batch.nbytes > GROUP_BYTES:
            self._flush()
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes

    def close(self) -> None:
        self._flush()
        self._file.close()

    def release(self) -> None:
        self._file.is_open = False  # or it would complete the file, which is closed, when it is collected

    def _flush(self) -> None:
        if self._held_rows:
            self._file.write_table(pyarrow().Table.from_batches(self._held), row_group_size=self._held_rows)
            release_memory()
        self._held, self._held_rows, self._held_bytes = [], 0, 0


def _has_statistics(field: Any, columns: Columns, vector_column: str) -> bool:
    """False for vectors, and for strings that may be long: statistics are copies of them."""
    types = pyarrow().types
    if field.name == vector_column:
        return False
    return field.name == columns.id or not (types.is_string(field.type) or types.is_large_string(field.type))


def schema_of_rows(kinds: ColumnTypes, id_column: str | None) -> Any:
    """Writer of rows from JSONL, CSV or text: a column for each field.

    Values of several types become strings of JSON; ids of several types become plain strings.
    """
    pa = pyarrow()
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "str": pa.string(), "json": pa.string()}
    fields = [
        pa.field(name, types[kind], metadata=_stored_as(name, kind, id_column))
        for name, kind in ((name, kinds.column(name)) for name in kinds.seen)
    ]
    return pa.schema(fields)


def _stored_as(name: str, kind: str, id_column: str | None) -> dict[str, str] | None:
    return None if kind != "json" else {"format": "text" if name == id_column else "json"}


def _batch(block: RowBlock, kept: Sequence[int], schema: Any) -> Any:
    pa = pyarrow()
    arrays = []
    records = [block.rows[at].fields for at in kept]
    for field in schema:
        try:
            values = list(map(itemgetter(field.name), records))
        except KeyError:
            values = [record.get(field.name) for record in records]
        if field.metadata:
            keep = str if field.metadata[b"format"] == b"text" else ()
            values = [value if value is None or isinstance(value, keep) else json_text(value) for value in values]
        if JsonText in set(map(type, values)):
            values = [value.escaped() if isinstance(value, JsonText) else value for value in values]
        arrays.append(array_of(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
