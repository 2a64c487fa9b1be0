"""pyarrow, imported when a Parquet file is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aembed import MissingExtraError

PAGES_BYTES = 2**20
"""Read from a Parquet file at a time."""


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


def parquet_file(source: Any) -> Any:
    """An open Parquet file. Pages are read as they are needed: a row group's whole columns would fill the memory."""
    return the_parquet().ParquetFile(source, pre_buffer=False, buffer_size=PAGES_BYTES)


def array_of(values: Sequence[Any], kind: Any) -> Any:
    """``pyarrow.array``, which would import pandas, for values of one of four types: bool, int64, float64, string."""
    pa = pyarrow()
    is_text, validity = pa.types.is_string(kind), None
    if None in values:
        there = np.fromiter((value is not None for value in values), bool, len(values))
        nothing = "" if is_text else 0
        validity, values = _bits(there), [nothing if value is None else value for value in values]
    if not is_text:
        return _numbers(np.array(values, kind.to_pandas_dtype()), kind, validity)
    text = "".join(values)
    data = text.encode()
    sizes = map(len, values if len(data) == len(text) else map(str.encode, values))
    ends = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(sizes, np.int32, len(values)), out=ends[1:])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(data), validity)


def lists_of(rows: NDArray[Any]) -> Any:
    """A list of fixed size for each row of numbers, without a copy of them."""
    pa = pyarrow()
    numbers = np.ascontiguousarray(rows).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(_numbers(numbers, pa.from_numpy_dtype(rows.dtype)), rows.shape[1])


def numbers_of(array: Any) -> NDArray[Any]:
    """The values of an array of numbers without a null, not copied. ``to_numpy`` would import pandas."""
    kind = np.dtype(array.type.to_pandas_dtype())
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)


def _numbers(numbers: NDArray[Any], kind: Any, validity: Any = None) -> Any:
    pa = pyarrow()
    data = _bits(numbers) if numbers.dtype == bool else pa.py_buffer(numbers)
    return pa.Array.from_buffers(kind, len(numbers), [validity, data])


def _bits(flags: NDArray[np.bool_]) -> Any:
    return pyarrow().py_buffer(np.packbits(flags, bitorder="little"))


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
