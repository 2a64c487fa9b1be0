"""The lines of a stream in UTF-8, one at a time or many."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from aembed.jobs.rows import BLOCK_ROWS

READ_BYTES = 2**16


@dataclass(slots=True)
class Line:
    """``content`` has its line end; ``number`` counts from 1."""

    number: int
    content: bytes
    fault: str = ""
    """Why there is no content: the line is too long to be kept."""


@dataclass(slots=True)
class Lines:
    """Consecutive lines, each with its line end; ``first`` is the number of the first."""

    first: int
    contents: list[bytes]
    fault: str = ""
    """Why the only line of these has no content."""


def read_lines(file: BinaryIO, max_bytes: int) -> Iterator[Line]:
    """From the start, without the byte order mark. A line beyond ``max_bytes`` is empty and has a fault."""
    for lines in read_blocks(file, max_bytes):
        for number, content in enumerate(lines.contents, lines.first):
            yield Line(number, content, lines.fault)


def read_blocks(file: BinaryIO, max_bytes: int) -> Iterator[Lines]:
    """The same lines, some at a time: no more than a block of rows has, and a line beyond ``max_bytes`` by itself."""
    file.seek(0)
    number = 1
    while found := _some_lines(file, max_bytes, is_first=number == 1):
        for start in range(0, len(found), BLOCK_ROWS):
            yield from _checked(number + start, found[start : start + BLOCK_ROWS], max_bytes)
        number += len(found)
        del found  # or they would be in memory together with the next ones


def _some_lines(file: BinaryIO, max_bytes: int, *, is_first: bool) -> list[bytes]:
    """The next whole lines; of one beyond ``max_bytes`` only the beginning."""
    data = file.read(READ_BYTES)
    if is_first and data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    found = BytesIO(data).readlines()
    if found and not data.endswith(b"\n"):
        rest = end = file.readline(max_bytes + 1)
        while len(rest) > max_bytes and end and not end.endswith(b"\n"):
            end = file.readline(READ_BYTES)
        found[-1] += rest
    return found


def _checked(number: int, contents: list[bytes], max_bytes: int) -> Iterator[Lines]:
    if max(map(len, contents)) <= max_bytes:
        yield Lines(number, contents)
        return
    for each, content in enumerate(contents, number):
        if len(content) <= max_bytes:
            yield Lines(each, [content])
        else:
            yield Lines(each, [b""], too_long(each, max_bytes))


def too_long(number: int, max_bytes: int) -> str:
    return f"line {number} is longer than {max_bytes:,} bytes"


def decode(line: Line, encoding: str | None) -> tuple[str, str]:
    """The line as text, and its fault: it is too long, has a zero byte, or is not in ``encoding``."""
    if line.fault:
        return "", line.fault
    try:
        text = line.content.decode()
    except UnicodeDecodeError as error:
        if encoding is not None:
            return "", f"line {line.number} is not {encoding}"
        byte = line.content[error.start]
        return "", f"line {line.number} is not UTF-8: byte 0x{byte:02x} at position {error.start}; give its encoding"
    zero = text.find("\0")
    return (text, "") if zero < 0 else ("", f"line {line.number} has a zero byte at position {zero}")
