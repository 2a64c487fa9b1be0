"""The lines of a stream in UTF-8, one at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SKIPPED_AT_A_TIME = 2**20


@dataclass(slots=True)
class Line:
    """``content`` has its line end; ``number`` counts from 1."""

    number: int
    content: bytes
    fault: str = ""
    """Why there is no content: the line is too long to be kept."""


def read_lines(file: BinaryIO, max_bytes: int) -> Iterator[Line]:
    """From the start, without the byte order mark. A line beyond ``max_bytes`` is empty and has a fault."""
    file.seek(0)
    number = 0
    while content := file.readline(max_bytes + 1):
        number += 1
        if len(content) > max_bytes:
            while content and not content.endswith(b"\n"):
                content = file.readline(SKIPPED_AT_A_TIME)
            yield Line(number, b"", too_long(number, max_bytes))
        elif number == 1 and content.startswith(codecs.BOM_UTF8):
            yield Line(number, content[len(codecs.BOM_UTF8) :])
        else:
            yield Line(number, content)


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
