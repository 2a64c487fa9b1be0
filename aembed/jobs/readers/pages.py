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
PAGE_TYPE, SIZE, SIZE_IN_FILE = 1, 2, 3
DICTIONARY = 2
"""Fields of a header, and the type of a page of values that data pages refer to."""


def page_bytes(file: BinaryIO, chunk: Any) -> int:
    """Bytes of a column chunk that are in memory at once: its dictionary, and its largest other page."""
    dictionary, largest = 0, 0
    for kind, size in _pages(file, chunk):
        if kind == DICTIONARY:
            dictionary = size
        else:
            largest = max(largest, size)
    return dictionary + largest


def dictionary_bytes(file: BinaryIO, chunk: Any) -> int:
    """Bytes in memory of the dictionary of a column chunk, 0 without one: no value that it repeats has more."""
    kind, size = next(_pages(file, chunk), (DICTIONARY, chunk.total_uncompressed_size))
    return size if kind == DICTIONARY else 0


def _pages(file: BinaryIO, chunk: Any) -> Iterator[tuple[int, int]]:
    """Type and size of each page, the dictionary first, as far as the headers can be read."""
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset if chunk.has_dictionary_page else None]
    at = min(start for start in starts if start is not None)
    end = at + chunk.total_compressed_size
    while at < end:
        file.seek(at)
        header = BytesIO(file.read(HEADER_BYTES))
        try:
            fields = dict(_fields(header))
            yield fields[PAGE_TYPE], fields[SIZE]
            at += header.tell() + fields[SIZE_IN_FILE]
        except (IndexError, KeyError, ValueError):
            return


def _fields(data: BytesIO) -> Iterator[tuple[int, int]]:
    """Number and value of the fields of a struct; a value that is not an integer is skipped, and 0."""
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
