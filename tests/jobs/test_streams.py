"""The bytes of an input as its reader gets them: up to a size, decompressed, in UTF-8, and from the start again."""

from __future__ import annotations

import gzip
import io

import pytest

from aembed.jobs.streams import READ_BYTES, is_compressed, open_text


def opened(content: bytes, *, size: int | None = None, encoding: str | None = None) -> io.BufferedIOBase:
    stream = open_text(io.BytesIO(content), len(content) if size is None else size, encoding)
    assert isinstance(stream, io.BufferedIOBase)
    return stream


@pytest.mark.parametrize("size", [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES])
def test_bytes_appended_later_are_not_read(size: int) -> None:
    content = bytes(range(1, 251)) * 1000
    assert opened(content, size=size).read() == content[:size]


def test_a_size_beyond_the_end_is_no_error() -> None:
    assert opened(b"abc", size=99).read() == b"abc"


@pytest.mark.parametrize("encoding", [None, "utf-16", "cp1252"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_stream_is_read_again_from_its_start(encoding: str | None, compressed: bool) -> None:
    text = "café\n" * 30_000
    content = text.encode(encoding or "utf-8")
    stream = opened(gzip.compress(content, 1) if compressed else content, encoding=encoding)
    assert stream.readline() == "café\n".encode()
    assert stream.tell() == 6
    stream.seek(0)
    assert stream.tell() == 0
    assert stream.read() == text.encode()
    assert stream.tell() == len(text.encode())
    assert stream.read() == b""
    stream.seek(0)
    assert stream.read(6) == "café\n".encode()


def test_bytes_of_no_character_are_not_utf_8_either() -> None:
    found = opened(b"caf\x81\n", encoding="cp1252").read()
    assert found.startswith(b"caf")
    with pytest.raises(UnicodeDecodeError):
        found.decode()


@pytest.mark.parametrize(
    ("head", "compressed"),
    [
        (b"\x1f\x8b\x08\x00", True),
        (b"\x1f\x8b", True),
        (b"\x28\xb5\x2f\xfd", True),
        (b"\x28\xb5\x2f", False),
        (b"\x1f", False),
        (b"text", False),
        (b"", False),
    ],
)
def test_the_first_bytes_say_whether_a_file_is_compressed(head: bytes, compressed: bool) -> None:
    assert is_compressed(head) == compressed
