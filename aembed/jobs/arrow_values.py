"""Values of Arrow as Python and JSON hold them; as text where Python has no such value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from aembed.jobs.arrow import pyarrow
from aembed.jobs.columns import unique_names

UNREPRESENTABLE = (ValueError, OverflowError, KeyError)
"""Exceptions of pyarrow for a time outside the years 1 to 9999, an unknown time zone, a string that is not UTF-8."""


def plain_records(batch: Any) -> list[dict[str, Any]]:
    """The rows of a batch as dictionaries. Times are exact to the microsecond, Python's own resolution."""
    names = unique_names(batch.schema.names)
    columns = [plain_values(array) for array in batch.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain_values(array: Any) -> list[Any]:
    """The values of one array. A value that Python cannot hold becomes text."""
    pa = pyarrow()
    kind = _in_microseconds(pa, array.type)
    if kind != array.type:
        array = array.cast(kind, safe=False)
    try:
        values: list[Any] = array.to_pylist()
    except UNREPRESENTABLE:
        return _plain_each(array)
    return values


def _plain_each(scalars: Iterable[Any]) -> list[Any]:
    return [_plain(scalar) for scalar in scalars]


def _plain(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except UNREPRESENTABLE:
        return _as_text(pyarrow(), scalar)


def _as_text(pa: Any, scalar: Any) -> Any:
    kind, types = scalar.type, pa.types
    if isinstance(scalar, pa.DictionaryScalar):
        return _plain(scalar.dictionary[scalar.index.as_py()])
    if types.is_map(kind):
        return [(_plain(item["key"]), _plain(item["value"])) for item in scalar.values]
    if types.is_struct(kind):
        return {field.name: _plain(scalar[at]) for at, field in enumerate(kind)}
    if types.is_nested(kind):
        return _plain_each(scalar.values)
    if not types.is_temporal(kind):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "backslashreplace")
    unit: Any = "D" if types.is_date32(kind) else "ms" if types.is_date64(kind) else kind.unit
    if types.is_duration(kind) or types.is_time(kind):
        return str(np.timedelta64(scalar.value, unit))
    zone = f" UTC ({kind.tz})" if types.is_timestamp(kind) and kind.tz else ""
    return f"{np.datetime64(scalar.value, unit)}{zone}"


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
