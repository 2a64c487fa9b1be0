"""Sizes of the pages of a Parquet file, from headers as Thrift writes them."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from aembed.jobs.readers.pages import dictionary_bytes, page_bytes

DATA, DICTIONARY = 0, 2


def number(value: int) -> bytes:
    """An integer, zigzag and in groups of seven bits."""
    left, found = (value << 1) ^ (value >> 63), b""
    while left > 127:
        found += bytes([left & 127 | 128])
        left >>= 7
    return found + bytes([left])


def page(kind: int, size: int, body: int, *, more: bytes = b"") -> bytes:
    """A header with type, size and size in the file, and so many bytes."""
    return b"\x15" + number(kind) + b"\x15" + number(size) + b"\x15" + number(body) + more + b"\0" + bytes(body)


def chunk(*pages: bytes, dictionary: bool = False, before: int = 0, total: int | None = None) -> tuple[BytesIO, Any]:
    """A file with these pages, and what the file's end says of them."""
    data = b"".join(pages)
    return BytesIO(bytes(before) + data), SimpleNamespace(
        data_page_offset=before + (len(pages[0]) if dictionary else 0),
        dictionary_page_offset=before if dictionary else None,
        has_dictionary_page=dictionary,
        total_compressed_size=len(data) if total is None else total,
        total_uncompressed_size=999,
    )


def test_of_several_pages_the_largest_counts() -> None:
    assert page_bytes(*chunk(page(DATA, 300, 20))) == 300
    assert page_bytes(*chunk(page(DATA, 300, 20), page(DATA, 5000, 200), page(DATA, 4000, 9))) == 5000
    assert page_bytes(*chunk(page(DATA, 300, 20), page(DATA, 200, 0), before=64)) == 300


def test_a_dictionary_is_in_memory_beside_the_largest_page() -> None:
    pages = page(DICTIONARY, 70, 30), page(DATA, 300, 20), page(DATA, 200, 20)
    assert page_bytes(*chunk(*pages, dictionary=True)) == 370
    assert page_bytes(*chunk(*pages, dictionary=True, before=100)) == 370
    assert dictionary_bytes(*chunk(*pages, dictionary=True, before=100)) == 70


def test_without_a_dictionary_no_value_is_repeated() -> None:
    assert dictionary_bytes(*chunk(page(DATA, 300, 20))) == 0


def test_where_no_header_can_be_read_all_may_be_a_dictionary() -> None:
    assert dictionary_bytes(*chunk(b"\x99" * 30)) == 999
    assert dictionary_bytes(*chunk(b"")) == 999


@pytest.mark.parametrize("size", [0, 1, 63, 64, 127, 128, 8191, 8192, 2**20, 2**30])
def test_sizes_of_every_length(size: int) -> None:
    assert page_bytes(*chunk(page(DATA, size, 3))) == size


@pytest.mark.parametrize(
    "field",
    [
        b"\x11",  # true
        b"\x12",  # false
        b"\x13\x07",  # a byte
        b"\x14" + number(5),  # integers of 16, 32 and 64 bits
        b"\x15" + number(-5),
        b"\x16" + number(2**40),
        b"\x17" + bytes(8),  # a double
        b"\x18\x03abc",  # a string
        b"\x18\x81\x01" + b"x" * 129,
        b"\x1c\x15\x04\x18\x02ab\x00",  # a struct
        b"\x1c\x1c\x15\x04\x00\x00",  # in a struct
        b"\x05\x28" + number(1),  # a field whose number is written out
    ],
)
def test_other_fields_of_a_header_are_skipped(field: bytes) -> None:
    pages = page(DATA, 300, 20, more=field), page(DATA, 400, 20, more=field), page(DATA, 100, 1)
    assert page_bytes(*chunk(*pages)) == 400


@pytest.mark.parametrize("field", [b"\x19", b"\x1a", b"\x1b", b"\x1d", b"\x1f", b"\x10"])
def test_pages_behind_a_header_that_cannot_be_read_are_unknown(field: bytes) -> None:
    pages = page(DATA, 300, 20), page(DATA, 400, 20, more=field), page(DATA, 900, 20)
    assert page_bytes(*chunk(*pages)) == 300


def test_what_follows_the_last_page_is_no_page() -> None:
    first, second = page(DATA, 300, 20), page(DATA, 400, 20)
    assert page_bytes(*chunk(first, second, total=len(first))) == 300
    assert page_bytes(*chunk(first, second, total=len(first) + 1)) == 400


@pytest.mark.parametrize("missing", [b"\x15\x00\x15\x04\x00", b"\x15\x00\x00", b"\x15\x00\x15\x80", b"\x15"])
def test_a_header_that_lacks_a_size_ends_the_search(missing: bytes) -> None:
    assert page_bytes(*chunk(page(DATA, 300, 20), missing)) in {300, 2}
