"""The input: a file, or a pipe or standard input kept in a temporary one, because it is read more than once."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xxhash import xxh3_128

from aembed.jobs.errors import JobInputError
from aembed.jobs.readers import READERS, InputFormat, input_format
from aembed.jobs.rows import Block, Columns

STANDARD_INPUT = "-"
HASHED_AT_A_TIME = 2**16


@dataclass(frozen=True, slots=True)
class OpenInput:
    """An input that is open already: a binary file on disk, and what to call it. The job does not close it."""

    name: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Source:
    """An open input whose columns are known."""

    name: str
    file: BinaryIO
    format: InputFormat
    columns: Columns

    def blocks(self, *, whole: bool = False) -> Iterator[Block]:
        """All rows, from the start; ``whole`` with the fields that are neither text nor id.

        Raises:
            JobInputError: it is not what its format says.
        """
        reader = READERS[self.format]
        with _reading(self.name):
            yield from (reader.whole if whole else reader.rows)(self.name, self.file, self.columns)

    def fingerprint(self) -> Iterator[str]:
        """Of all bytes, in several steps; the last step has it."""
        digest = xxh3_128()
        with _reading(self.name):
            self.file.seek(0)
            for number, block in enumerate(iter(lambda: self.file.read(HASHED_AT_A_TIME), b"")):
                digest.update(block)
                if number % 64 == 63:
                    yield ""
        yield digest.hexdigest()

    def state(self) -> tuple[int, int]:
        """Size in bytes, and when it was last written to: another state is another content."""
        status = os.fstat(self.file.fileno())
        return status.st_size, status.st_mtime_ns


def keep_input(name: str) -> OpenInput:
    """Open the input; what can be read only once is read to its end first, however long that takes.

    Raises:
        JobInputError: it cannot be read, or is neither a file nor a pipe.
    """
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise JobInputError("standard input is closed; name a file instead of -")
        return OpenInput("standard input", _keep(sys.stdin.buffer, "standard input"))
    path = Path(name)
    with _reading(name):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise JobInputError(f"{name} is a directory; name a file in it")
        if stat.S_ISREG(mode):
            return OpenInput(name, path.open("rb"))
        if not stat.S_ISFIFO(mode):
            raise JobInputError(f"{name} is neither a file nor a pipe; name a file, or - for standard input")
        with path.open("rb") as pipe:
            return OpenInput(name, _keep(pipe, name))


def look_at(given: OpenInput, asked: str | None, text_column: str | None, id_column: str | None) -> Source:
    """Look at the beginning of the input.

    Raises:
        JobInputError: no such format, or no such column.
    """
    chosen = input_format(given.name, asked)
    if chosen == "text" and not (text_column is None and id_column is None):
        raise JobInputError(
            f"{given.name} is read as text, which has no columns; leave text_column and id_column out, "
            "or say its input_format"
        )
    with _reading(given.name):
        columns = READERS[chosen].columns(given.name, given.file, text_column, id_column)
        return Source(given.name, given.file, chosen, columns)


def _keep(stream: BinaryIO, name: str) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (handed on open)
    try:
        while block := _read(stream, name):
            file.write(block)
        file.flush()
    except BaseException as error:
        with suppress(OSError):
            file.close()
        if not isinstance(error, OSError):
            raise
        raise JobInputError(
            f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror}; "
            "free space there, or set TMPDIR to another directory"
        ) from None
    return file


def _read(stream: BinaryIO, name: str) -> bytes:
    with _reading(name):
        return stream.read(1 << 20)


@contextmanager
def _reading(name: str) -> Generator[None, None, None]:
    try:
        yield
    except FileNotFoundError:
        raise JobInputError(f"{name} does not exist; check the path, or give - to read standard input") from None
    except OSError as error:
        raise JobInputError(f"{name} cannot be read: {error.strerror}; check what it is and who may read it") from None
