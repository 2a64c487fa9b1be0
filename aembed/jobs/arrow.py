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
    """The rows of a batch as Python has them; time to the microsecond, which is all that Python can say."""
    pa = pyarrow()
    kinds = [_in_microseconds(pa, array.type) for array in batch.columns]
    arrays = [
        array if kind == array.type else array.cast(kind, safe=False)
        for array, kind in zip(batch.columns, kinds, strict=True)
    ]
    records: list[dict[str, Any]] = pa.RecordBatch.from_arrays(arrays, names=batch.schema.names).to_pylist()
    return records


def _in_microseconds(pa: Any, kind: Any) -> Any:
    """The same type, without nanoseconds at any depth."""
    types = pa.types
    if types.is_dictionary(kind):
        value = _in_microseconds(pa, kind.value_type)
        return kind if value == kind.value_type else value
    if types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(pa, field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_in_microseconds(pa, kind.key_type), _in_microseconds(pa, kind.item_type))
    if types.is_large_list(kind):
        return pa.large_list(_in_microseconds(pa, kind.value_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_in_microseconds(pa, kind.value_type), kind.list_size)
    if types.is_list(kind):
        return pa.list_(_in_microseconds(pa, kind.value_type))
    return _moment(pa, kind) if types.is_temporal(kind) and getattr(kind, "unit", "") == "ns" else kind


def _moment(pa: Any, kind: Any) -> Any:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")
