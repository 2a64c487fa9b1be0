"""The bytes of a file as a reader wants them: up to a size, decompressed, in UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from aembed import MissingExtraError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
COMPRESSED = ("gz", "zst", "zstd")
"""Endings of files that are decompressed."""
READ_BYTES = 2**16
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)

BROKEN = "aembed.broken"
"""Name of the error handler that turns bytes of no character into something that is not UTF-8 either."""


def _mark_broken(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError), "it is only used to decode"
    return "\udcff", error.end


codecs.register_error(BROKEN, _mark_broken)


def open_text(file: BinaryIO, size: int, encoding: str | None) -> BinaryIO:
    """A stream of UTF-8 over the first ``size`` bytes of ``file``; an undecodable character makes its line invalid."""
    stream: BinaryIO = io.BufferedReader(_Prefix(file, size), READ_BYTES)
    stream = _decompressed(stream)
    return stream if encoding is None else io.BufferedReader(_Utf8(stream, encoding), READ_BYTES)


def is_compressed(head: bytes) -> bool:
    """True for the first four bytes of a file that is decompressed."""
    return head.startswith(GZIP) or head == ZSTD


def _decompressed(stream: BinaryIO) -> BinaryIO:
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(GZIP):
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), READ_BYTES)
    if magic == ZSTD:
        return io.BufferedReader(_zstd_file(stream), READ_BYTES)
    return stream


def damage() -> tuple[type[Exception], ...]:
    """The errors of a damaged compressed file."""
    module = _zstd()
    return DAMAGED if module is None else (*DAMAGED, module.ZstdError)


def _zstd_file(stream: BinaryIO) -> io.RawIOBase:
    module = _zstd()
    if module is None:
        raise MissingExtraError(
            'Zstandard needs backports.zstd, which is not installed: pip install "aembed[zstd]"'
        ) from None
    opened: io.RawIOBase = module.ZstdFile(stream)
    return opened


def _zstd() -> Any:
    """The module of Python 3.14, or its backport."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(name)
    return None


class _Raw(io.RawIOBase):
    """A stream that is read from its start, again and again."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


class _Prefix(_Raw):
    """The first bytes of a file, without bytes appended meanwhile."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._at = file.seek(0)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert whence == io.SEEK_SET, "nothing else is needed"
        self._at = self._file.seek(offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._size - self._at)) if self._at < self._size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class _Utf8(_Raw):
    """A text in any encoding, in UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(BROKEN)
        self._left = memoryview(b"")
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert (offset, whence) == (0, io.SEEK_SET), "it is read from its start"
        self._stream.seek(0)
        self._decoder.reset()
        self._left, self._at = memoryview(b""), 0
        return 0

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._left:
            data = self._stream.read(READ_BYTES)
            self._left = memoryview(self._decoder.decode(data, final=not data).encode("utf-8", "surrogatepass"))
            if not data:
                break
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        self._at += count
        return count
