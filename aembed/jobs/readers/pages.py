"""Page sizes of a Parquet file: pyarrow reads a page as a whole, and says nothing of its size before.

A page header is a Thrift struct in the compact protocol; its second field is the size of the page in memory, its third
that in the file: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, BinaryIO

HEADER_BYTES = 2**16
"""More than a header has, of which pyarrow bounds the statistics to 4 KiB."""


def largest_page(file: BinaryIO, chunk: Any) -> int:
    """Bytes of the largest page of a column chunk, in memory; 0 where headers cannot be read."""
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset if chunk.has_dictionary_page else None]
    at = min(start for start in starts if start is not None)
    end, most = at + chunk.total_compressed_size, 0
    try:
        while at < end:
            file.seek(at)
            header = BytesIO(file.read(HEADER_BYTES))
            sizes = dict(_fields(header))
            most = max(most, sizes[2])
            at += header.tell() + sizes[3]
    except (IndexError, KeyError, ValueError):
        return 0
    return most


def _fields(data: BytesIO) -> Iterator[tuple[int, int]]:
    """Number and value of the fields of a struct; a value that is no integer is skipped, and 0."""
    number = 0
    while (head := _byte(data)) != 0:
        number = number + (head >> 4) if head >> 4 else _integer(data)
        yield number, _value(data, head & 15)


def _value(data: BytesIO, kind: int) -> int:
    if kind in {4, 5, 6}:
        return _integer(data)
    if kind == 12:
        for _ in _fields(data):
            pass
    elif kind in SKIPPED:
        SKIPPED[kind](data)
    else:
        raise ValueError(f"type {kind} is in no page header")
    return 0


def _byte(data: BytesIO) -> int:
    return data.read(1)[0]


def _unsigned(data: BytesIO) -> int:
    value = shift = 0
    while True:
        byte = _byte(data)
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


def _integer(data: BytesIO) -> int:
    value = _unsigned(data)
    return (value >> 1) ^ -(value & 1)


SKIPPED: dict[int, Callable[[BytesIO], object]] = {
    1: lambda data: None,
    2: lambda data: None,
    3: _byte,
    7: lambda data: data.read(8),
    8: lambda data: data.read(_unsigned(data)),
}
"""Booleans, which are in the type; a byte, a double, a string."""
