"""pyarrow, imported when a Parquet file is named."""

from __future__ import annotations

from typing import Any

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


def plain_records(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch as Python has them; moments to the microsecond, which is all that Python can say."""
    pa = pyarrow()
    arrays = [
        array.cast(pa.timestamp("us", array.type.tz), safe=False)
        if pa.types.is_timestamp(array.type) and array.type.unit == "ns"
        else array
        for array in batch.columns
    ]
    records: list[dict[str, Any]] = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names).to_pylist()
    return records
