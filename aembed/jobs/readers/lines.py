"""The lines of a file in UTF-8, one at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from aembed.jobs.errors import JobInputError

LONGEST = 2**26
"""Bytes of a line, at most, so that a file without line ends does not fill the memory."""


@dataclass(slots=True)
class Line:
    """``content`` has its line end; ``number`` counts from 1, ``offset`` in bytes."""

    number: int
    offset: int
    content: bytes


def read_lines(name: str, file: BinaryIO) -> Iterator[Line]:
    """From the start, without the byte order mark.

    Raises:
        JobInputError: a line is too long to be one.
    """
    file.seek(0)
    offset = number = 0
    while content := file.readline(LONGEST + 1):
        number += 1
        if len(content) > LONGEST:
            raise JobInputError(f"{name}: line {number} is longer than {LONGEST:,} bytes; put one text on each line")
        mark = len(codecs.BOM_UTF8) if number == 1 and content.startswith(codecs.BOM_UTF8) else 0
        yield Line(number, offset + mark, content[mark:])
        offset += len(content)


def decode(name: str, line: Line) -> str:
    """The line as text.

    Raises:
        JobInputError: it has a zero byte, or is not UTF-8: then the file is in another encoding, or no text at all.
    """
    zero = line.content.find(b"\0")
    if zero >= 0:
        raise JobInputError(
            f"{name} is not text: line {line.number} has a zero byte at offset {line.offset + zero}; "
            "give a text file in UTF-8"
        )
    try:
        return line.content.decode()
    except UnicodeDecodeError as error:
        raise JobInputError(
            f"{name} is not UTF-8: line {line.number} has the byte 0x{line.content[error.start]:02x} "
            f"at offset {line.offset + error.start}; convert it first, as with: iconv -f LATIN1 -t UTF-8"
        ) from None
