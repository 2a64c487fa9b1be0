"""The texts of a file: its lines that are not blank, read twice in constant memory, first to count and check them."""

from __future__ import annotations

import codecs
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aembed.cli.errors import CommandError

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Lines:
    """A checked text file: ``count`` lines to embed, ``blank`` ones to skip."""

    name: str
    file: BinaryIO
    count: int
    blank: int

    def __iter__(self) -> Iterator[str]:
        """The lines that are not blank, without their line ends.

        Raises:
            CommandError: the file has changed since it was counted.
        """
        left = self.count
        for _, text in _texts(self.name, self.file):
            if not left:
                break
            left -= 1
            yield text
        if left:
            raise CommandError(f"{self.name} became shorter while it was read; run again when nothing writes to it")

    def number(self, index: int) -> int:
        """The line number, from 1, of text ``index``."""
        return next(number for i, (number, _) in enumerate(_texts(self.name, self.file)) if i == index)


@contextmanager
def open_lines(source: str) -> Generator[Lines, None, None]:
    """Open a file, or ``-`` for standard input, and check every line of it.

    Raises:
        CommandError: it cannot be read, is no text in UTF-8, or has no line to embed.
    """
    name = "standard input" if source == STANDARD_INPUT else source
    with _open(source, name) as file:
        yield _check(name, file)


def _open(source: str, name: str) -> BinaryIO:
    """The file, or what can be read only once (a pipe, a terminal) kept in a temporary file."""
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise CommandError("standard input is closed; name a text file instead of -")
        return _keep(sys.stdin.buffer, name)
    path = Path(source)
    with _reading(name):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise CommandError(f"{name} is a directory; name a text file in it")
        if stat.S_ISREG(mode):
            return path.open("rb")
        if not stat.S_ISFIFO(mode):
            raise CommandError(f"{name} is neither a file nor a pipe; name a text file, or - for standard input")
        with path.open("rb") as pipe:
            return _keep(pipe, name)


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
        raise CommandError(
            f"{name} cannot be kept in {tempfile.gettempdir()}: {error.strerror}; "
            "free space there, or set TMPDIR to another directory"
        ) from None
    return file


def _read(stream: BinaryIO, name: str) -> bytes:
    with _reading(name):
        return stream.read(1 << 20)


def _check(name: str, file: BinaryIO) -> Lines:
    count = last = 0
    for last, text in _numbered(name, file):  # noqa: B007 (the last number is the number of lines)
        count += bool(text)
    if not last:
        raise CommandError(f"{name} is empty; put one text on each line")
    if not count:
        raise CommandError(f"{name} has only blank lines; put one text on each line")
    return Lines(name, file, count, last - count)


def _texts(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    return (line for line in _numbered(name, file) if line[1])


def _numbered(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Every line with its number from 1; a blank one is ``""``."""
    offset = 0
    with _reading(name):
        file.seek(0)
        for number, line in enumerate(file, 1):
            content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            text = _decode(content.rstrip(b"\r\n"), name, number, offset + len(line) - len(content))
            yield number, "" if text.isspace() else text
            offset += len(line)


def _decode(line: bytes, name: str, number: int, offset: int) -> str:
    zero = line.find(b"\0")
    if zero >= 0:
        raise CommandError(
            f"{name} is not text: line {number} has a zero byte at offset {offset + zero}; give a text file in UTF-8"
        )
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        byte, at = line[error.start], offset + error.start
        raise CommandError(
            f"{name} is not UTF-8: line {number} has the byte 0x{byte:02x} at offset {at}; "
            "convert it first, as with: iconv -f LATIN1 -t UTF-8"
        ) from None


@contextmanager
def _reading(name: str) -> Generator[None, None, None]:
    try:
        yield
    except FileNotFoundError:
        raise CommandError(f"{name} does not exist; check the path, or give - to read standard input") from None
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}; check what it is and who may read it") from None
