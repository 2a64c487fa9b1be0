"""Streams that can be read only once, copied to a temporary file; and errors of reading, as sentences."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import IO, BinaryIO

import anyio
import anyio.to_thread

from aembed.jobs.errors import JobInputError, JobStoppedError
from aembed.jobs.paths import is_full, why
from aembed.jobs.streams import damage


async def keep_stream(stream: IO[bytes], name: str) -> BinaryIO:
    """Copy a stream to a temporary file. Can be cancelled while nothing comes."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (handed on open)
    try:
        while block := await _read(stream, name):
            await anyio.to_thread.run_sync(file.write, block)
        file.flush()
    except BaseException as error:  # a cancellation too: the file has no other owner yet
        with suppress(OSError):
            file.close()
        if not isinstance(error, OSError):
            raise
        kind = JobStoppedError if is_full(error) else JobInputError
        raise kind(
            f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror}; "
            "free space there, or set TMPDIR to another directory"
        ) from None
    return file


async def _read(stream: IO[bytes], name: str) -> bytes:
    with reading_errors(name):
        descriptor = _pollable(stream)
        if descriptor is None:
            return await anyio.to_thread.run_sync(stream.read, 1 << 20)
        while True:
            await anyio.wait_readable(descriptor)
            with suppress(BlockingIOError):
                return os.read(descriptor, 1 << 20)


def _pollable(stream: IO[bytes]) -> int | None:
    """The descriptor of a pipe, socket or terminal, which may have nothing to read for a long time."""
    if sys.platform == "win32":
        return None
    try:
        descriptor = stream.fileno()
    except OSError:
        return None
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor) else None


@contextmanager
def reading_errors(name: str) -> Generator[None, None, None]:
    """Errors of the system, as sentences."""
    try:
        yield
    except FileNotFoundError:
        raise JobInputError(f"{name} does not exist; check the path, or give - to read standard input") from None
    except damage() as error:
        raise JobInputError(f"{name} is damaged: {error}; it cannot be decompressed to its end") from None
    except OSError as error:
        if is_full(error):
            raise JobStoppedError(f"{name} {why(error, 'read')}") from None
        raise JobInputError(f"{name} cannot be read: {error.strerror}; check its type and permissions") from None
