"""Cuts the vectors out of a reply's JSON, so that the rest is small enough to parse with every check.

A reply is a little JSON around many vectors, as base64 strings or arrays of numbers. Finding where each ends is a
search for one byte, far cheaper than parsing. What remains, the skeleton, has an empty string, or an array of the
vector's number, in each place and is parsed strictly; so nothing is taken for a vector that the parsed skeleton does
not have in a vector's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

QUOTE, COLON, BRACKET = b'":['
BLANKS = b" \t\r\n"
NUMBERS_BEGIN = frozenset(b"-0123456789nN")
"""What an array of numbers begins with; null and NaN are refused where the numbers are read."""

_ESCAPE_OR_QUOTE = re.compile(rb'\\.|"', re.DOTALL)


Yield: TypeAlias = Callable[[], None]
"""Called between vectors, where a worker thread lets others have their turn."""
EVERY = 16
"""Base64 vectors between two pauses; numbers take longer, and pause after each."""


@dataclass(slots=True)
class Split:
    """``spans[k]`` is where the ``k``-th vector stands in the body: base64 characters, or numbers with commas."""

    skeleton: bytes | bytearray
    spans: list[tuple[int, int]]


class Found(NamedTuple):
    """Vectors in a body or the beginning of one: what stands before each, where it stands, where the last one ends."""

    before: list[bytes | bytearray]
    spans: list[tuple[int, int]]
    end: int


def split_strings(body: bytes | bytearray, key: bytes, pause: Yield | None = None) -> Split:
    """Split the string values of ``key``, or the strings in the arrays that are.

    Within a JSON string a quote is escaped, so ``"key"`` with a colon behind it can only be a key.
    """
    written = how_written(body, key)
    if written is not None:
        cut = _joined(body, find_written(body, written, pause))
        if _keys(cut.skeleton, key) == len(cut.spans):
            return cut
    return _cut_values(body, key, pause)


def how_written(body: bytes | bytearray, key: bytes) -> bytes | None:
    """What stands before the first value, if it is a string and written as almost everybody does."""
    first = body.find(key + b":")  # -1 is the last byte, where none of them fits
    return next((written for written in (key + b':"', key + b': "') if body.startswith(written, first)), None)


def _keys(skeleton: bytes | bytearray, key: bytes) -> int:
    """How often it stands there as a key: OpenAI's items have ``"object": "embedding"`` too."""
    return skeleton.count(key) - skeleton.count(b":" + key) - skeleton.count(b": " + key)


def find_written(body: bytes | bytearray, before: bytes, pause: Yield | None = None) -> Found:
    """The straight way, for values that all stand behind the same bytes."""
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
        if pause is not None and len(spans) % EVERY == 0:
            pause()
    return Found(pieces, spans, kept)


def _cut_values(body: bytes | bytearray, key: bytes, pause: Yield | None) -> Split:
    """Any JSON a server may write: blanks anywhere, strings within arrays."""
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


def split_numbers(body: bytes | bytearray, pause: Yield | None = None) -> Split:
    """Split the innermost arrays that begin with a number, but not what looks like one within a string.

    In the place of the ``k``-th stands ``[k]``: a reply may hold other numbers than vectors.
    """
    return _joined(body, find_numbers(body, pause=pause))


def find_numbers(body: bytes | bytearray, first: int = 0, pause: Yield | None = None, quotes: int = 0) -> Found:
    """The arrays, numbered from ``first``. ``quotes``: 1 if ``body`` begins with the end of a string, else 0."""
    find = body.find
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = position = counted = 0
    while (position := find(b"[", position)) >= 0:
        position += 1
        begins = _skip_blanks(body, position)
        if begins < len(body) and body[begins] in NUMBERS_BEGIN:
            quotes += _quotes(body, counted, position)
            counted = position
            if quotes % 2:  # within a string
                continue
            end = find(b"]", begins)
            if end < 0:
                break
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
    """How many quotes, escaped ones not counted."""
    if body.find(b"\\", start, end) < 0:
        return body.count(b'"', start, end)
    return sum(match.group() == b'"' for match in _ESCAPE_OR_QUOTE.finditer(body, start, end))


def _next_item(body: bytes | bytearray, position: int) -> int:
    """Where the next item of an array begins; what is no item is no quote either."""
    position = _skip_blanks(body, position)
    return _skip_blanks(body, position + 1) if body[position : position + 1] == b"," else position


def _value_after(body: bytes | bytearray, position: int) -> int:
    """Where the value begins behind a key's closing quote; -1 if the body ends there."""
    position = _skip_blanks(body, position)
    if position < len(body) and body[position] == COLON:
        position = _skip_blanks(body, position + 1)
    return position if position < len(body) else -1


def _skip_blanks(body: bytes | bytearray, position: int) -> int:
    while position < len(body) and body[position] in BLANKS:
        position += 1
    return position
