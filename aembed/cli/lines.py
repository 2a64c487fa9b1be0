"""The texts of a file: its lines that are not blank, read twice in constant memory, first to count and check them."""

from __future__ import annotations

import codecs
import os
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
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
    with _open(source) as (name, file):
        yield _count(name, file)


@contextmanager
def _open(source: str) -> Generator[tuple[str, BinaryIO], None, None]:
    if source == STANDARD_INPUT:
        with _kept(sys.stdin.buffer) as file:
            yield "standard input", file
        return
    path = Path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise CommandError(f"{source} is a directory; name a text file in it")
        with path.open("rb") as opened:
            if stat.S_ISREG(mode):
                yield source, opened
                return
            with _kept(opened) as file:
                yield source, file
    except FileNotFoundError:
        raise CommandError(f"{source} does not exist; check the path, or give - to read standard input") from None
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}; check the path and its permissions") from None


@contextmanager
def _kept(stream: BinaryIO) -> Generator[BinaryIO, None, None]:
    """What can be read only once (a pipe, a terminal), kept in a temporary file."""
    with tempfile.TemporaryFile() as file:
        try:
            while block := stream.read(1 << 20):
                file.write(block)
            file.flush()
        except OSError as error:
            folder = tempfile.gettempdir()
            raise CommandError(f"standard input cannot be kept in {folder}: {error.strerror}; set TMPDIR") from None
        yield file


def _count(name: str, file: BinaryIO) -> Lines:
    if not os.fstat(file.fileno()).st_size:
        raise CommandError(f"{name} is empty; put one text on each line")
    count = last = 0
    for last, text in _numbered(name, file):  # noqa: B007
        count += bool(text)
    if not count:
        raise CommandError(f"{name} has only blank lines; put one text on each line")
    return Lines(name, file, count, last - count)


def _texts(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    return (line for line in _numbered(name, file) if line[1])


def _numbered(name: str, file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Every line with its number from 1; a blank one is ``""``."""
    file.seek(0)
    offset = 0
    for number, line in enumerate(file, 1):
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        text = _decode(content.rstrip(b"\r\n"), name, number, offset + len(line) - len(content))
        yield number, "" if text.isspace() else text
        offset += len(line)


def _decode(line: bytes, name: str, number: int, offset: int) -> str:
    zero = line.find(b"\0")
    if zero >= 0:
        raise CommandError(
            f"{name} is not text: line {number} has a zero byte at offset {offset + zero}; give a text file"
        )
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{name} is not UTF-8: line {number} has the byte 0x{line[error.start]:02x} at offset "
            f"{offset + error.start}; convert it, as in: iconv -f LATIN1 -t UTF-8 {name}"
        ) from None
