"""Splits the vectors off a reply's JSON, so that the rest is small enough to parse with every check.

A reply is a little JSON around many vectors, as base64 strings or arrays of numbers. The end of a vector is a search
for one byte, far cheaper than parsing. The rest, the skeleton, has an empty string, or an array with the vector's
number, in the place of each vector and is parsed strictly: only what the parsed skeleton has in a vector's place counts
as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

QUOTE, COLON, BRACKET = b'":['
BLANKS = b" \t\r\n"
DIGITS_BEGIN = frozenset(b"-0123456789")
NUMBERS_BEGIN = DIGITS_BEGIN | frozenset(b"nN")
"""First characters of an array of numbers; null and NaN are rejected when the numbers are decoded."""

_ESCAPE_OR_QUOTE = re.compile(rb'\\.|"', re.DOTALL)


Yield: TypeAlias = Callable[[], None]
"""Called between vectors, so that a worker thread lets other threads run."""
STRINGS_PER_YIELD = 16
"""Base64 vectors between two pauses. Numbers take longer, and pause after each."""


@dataclass(slots=True)
class Split:
    """A skeleton, and the span of the ``k``-th vector in the body: base64 characters, or numbers with commas."""

    skeleton: bytes | bytearray
    spans: list[tuple[int, int]]


class Found(NamedTuple):
    """Vectors in a body or the beginning of one: the bytes before each, their spans, and the end of the last one."""

    before: list[bytes | bytearray]
    spans: list[tuple[int, int]]
    end: int


def split_strings(body: bytes | bytearray, key: bytes, pause: Yield | None = None) -> Split:
    """Split the string values of ``key``, or the strings in the arrays that are.

    Within a JSON string a quote is escaped, so ``"key"`` followed by a colon can only be a key.
    """
    written = usual_spelling(body, key)
    if written is not None:
        cut = _joined(body, find_written(body, written, pause))
        if _keys(cut.skeleton, key) == len(cut.spans):
            return cut
    return _split_values(body, key, pause)


def usual_spelling(body: bytes | bytearray, key: bytes) -> bytes | None:
    """The bytes before the first value, if it is a string in the usual spelling."""
    first = body.find(key + b":")  # -1 is the last byte, where no prefix fits
    return next((written for written in (key + b':"', key + b': "') if body.startswith(written, first)), None)


def _keys(skeleton: bytes | bytearray, key: bytes) -> int:
    """Occurrences as a key: in OpenAI's items it is a value too, ``"object": "embedding"``."""
    return skeleton.count(key) - skeleton.count(b":" + key) - skeleton.count(b": " + key)


def find_written(body: bytes | bytearray, before: bytes, pause: Yield | None = None) -> Found:
    """The fast path, for values that all follow the same bytes."""
    find, length = body.find, len(before)
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = start = 0
    while (start := find(before, start)) >= 0:
        start += length
        end = find(b'"', start)
        if end < 0:
            break
        pieces.append(body[kept:start])
        spans.append((start, end))
        kept = start = end
        if pause is not None and len(spans) % STRINGS_PER_YIELD == 0:
            pause()
    return Found(pieces, spans, kept)


def _split_values(body: bytes | bytearray, key: bytes, pause: Yield | None) -> Split:
    """The general path: whitespace anywhere, strings within arrays."""
    find = body.find
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = position = 0
    while (position := find(key, position)) >= 0:
        start = position = _value_after(body, position + len(key))
        if start < 0:
            break
        if pause is not None:
            pause()
        in_array = body[start] == BRACKET
        if in_array:
            start = _skip_blanks(body, start + 1)
        while start < len(body) and body[start] == QUOTE:
            end = find(b'"', start + 1)
            if end < 0:
                break
            pieces.append(body[kept : start + 1])
            spans.append((start + 1, end))
            kept = position = end
            start = _next_item(body, end + 1) if in_array else len(body)
    return _joined(body, Found(pieces, spans, kept))


def split_numbers(body: bytes | bytearray, pause: Yield | None = None, *, nulls: bool = True) -> Split:
    """Split the innermost arrays that begin with a number, but not what looks like one within a string.

    The ``k``-th is replaced by ``[k]``: a reply may hold other numbers than vectors. ``nulls``: those that begin with
    null as well. Such an array may also be a list of vectors, all of them missing.
    """
    return _joined(body, find_numbers(body, pause=pause, beginnings=NUMBERS_BEGIN if nulls else DIGITS_BEGIN))


def find_numbers(
    body: bytes | bytearray,
    first: int = 0,
    pause: Yield | None = None,
    quotes: int = 0,
    *,
    beginnings: frozenset[int] = NUMBERS_BEGIN,
) -> Found:
    """The arrays, numbered from ``first``. ``quotes``: 1 if ``body`` begins with the end of a string, else 0."""
    find = body.find
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = position = counted = 0
    while (position := find(b"[", position)) >= 0:
        position += 1
        begins = _skip_blanks(body, position)
        if begins < len(body) and body[begins] in beginnings:
            quotes += _quotes(body, counted, position)
            counted = position
            if quotes % 2:  # within a string
                continue
            end = find(b"]", begins)
            if end < 0:
                break
            if body[begins] not in DIGITS_BEGIN and find(b"[", begins, end) >= 0:
                continue  # a list of vectors, the first of which is null
            pieces.append(body[kept:position])
            pieces.append(b"%d" % (first + len(spans)))
            spans.append((position, end))
            kept = position = counted = end
            if pause is not None:
                pause()
    return Found(pieces, spans, kept)


def _joined(body: bytes | bytearray, found: Found) -> Split:
    return Split(b"".join([*found.before, body[found.end :]]) if found.spans else body, found.spans)


def _quotes(body: bytes | bytearray, start: int, end: int) -> int:
    """Number of quotes that are not escaped."""
    if body.find(b"\\", start, end) < 0:
        return body.count(b'"', start, end)
    return sum(match.group() == b'"' for match in _ESCAPE_OR_QUOTE.finditer(body, start, end))


def _next_item(body: bytes | bytearray, position: int) -> int:
    """Position of the next item of an array, or of a character that is not a quote."""
    position = _skip_blanks(body, position)
    return _skip_blanks(body, position + 1) if body[position : position + 1] == b"," else position


def _value_after(body: bytes | bytearray, position: int) -> int:
    """Position of the value after a key's closing quote; -1 if the body ends before it."""
    position = _skip_blanks(body, position)
    if position < len(body) and body[position] == COLON:
        position = _skip_blanks(body, position + 1)
    return position if position < len(body) else -1


def _skip_blanks(body: bytes | bytearray, position: int) -> int:
    while position < len(body) and body[position] in BLANKS:
        position += 1
    return position
