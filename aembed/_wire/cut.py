"""Cuts the vectors out of a reply's JSON, so that the rest is small enough to parse with every check.

A reply is a little JSON around many vectors, as base64 strings or arrays of numbers. Finding where each ends is a
search for one byte, far cheaper than parsing. What remains, the skeleton, has an empty string or array in each place
and is parsed strictly; so nothing is taken for a vector that the parsed skeleton does not have in a vector's place.
"""

from __future__ import annotations

from dataclasses import dataclass

QUOTE, MINUS, COLON = b'"-:'
DIGITS = range(0x30, 0x3A)
BLANKS = b" \t\r\n"


@dataclass(slots=True)
class Cut:
    """``spans[k]`` is where the ``k``-th vector stands in the body: base64 characters, or numbers with commas."""

    skeleton: bytes | bytearray
    spans: list[tuple[int, int]]


def cut_strings(body: bytes | bytearray, key: bytes) -> Cut:
    """Cut the string values of ``key``. Within a JSON string a quote is escaped, so ``"key"`` can only be a key."""
    find = body.find
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = position = 0
    while (position := find(key, position)) >= 0:
        start = position = _value_after(body, position + len(key))
        if start < 0:
            break
        if body[start] != QUOTE:
            continue
        end = find(b'"', start + 1)
        if end < 0:
            break
        pieces.append(body[kept : start + 1])
        spans.append((start + 1, end))
        kept = position = end
    return _joined(body, pieces, kept, spans)


def cut_numbers(body: bytes | bytearray) -> Cut:
    """Cut the innermost arrays that begin with a number."""
    find = body.find
    pieces: list[bytes | bytearray] = []
    spans: list[tuple[int, int]] = []
    kept = position = 0
    while (position := find(b"[", position)) >= 0:
        position += 1
        first = _skip_blanks(body, position)
        if first < len(body) and (body[first] in DIGITS or body[first] == MINUS):
            end = find(b"]", first)
            if end < 0:
                break
            pieces.append(body[kept:position])
            spans.append((position, end))
            kept = position = end
    return _joined(body, pieces, kept, spans)


def _joined(body: bytes | bytearray, pieces: list[bytes | bytearray], kept: int, spans: list[tuple[int, int]]) -> Cut:
    return Cut(b"".join([*pieces, body[kept:]]) if spans else body, spans)


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
