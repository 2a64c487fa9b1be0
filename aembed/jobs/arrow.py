"""pyarrow, imported when a Parquet file is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aembed import MissingExtraError


def pyarrow() -> Any:
    """The module; it has no types.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError(
            'Parquet needs pyarrow, which is not installed: pip install "aembed[parquet]"'
        ) from None
    return pa


def the_parquet() -> Any:
    """``pyarrow.parquet``, which ``import pyarrow`` alone leaves out."""
    pyarrow()
    import pyarrow.parquet as pq

    return pq


def release_memory() -> None:
    """Give freed buffers back to the system: pyarrow's pool keeps them, and pages and row groups may be large."""
    pyarrow().default_memory_pool().release_unused()


def some_rows(batch: Any, chosen: Sequence[int]) -> Any:
    """Those rows of a batch. By slices, for pyarrow's ``take`` does not know all types, such as ``string_view``."""
    if len(chosen) == batch.num_rows:
        return batch
    runs = np.split(np.array(chosen), np.flatnonzero(np.diff(chosen) != 1) + 1)
    columns = [pyarrow().concat_arrays([column.slice(run[0], len(run)) for run in runs]) for column in batch.columns]
    return pyarrow().RecordBatch.from_arrays(columns, schema=batch.schema)


def conformed(batch: Any, schema: Any) -> Any:
    """A batch with the columns of ``schema``, null where it has none of that name."""
    pa, there = pyarrow(), set(batch.schema.names)
    columns = [
        batch.column(field.name).cast(field.type) if field.name in there else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
