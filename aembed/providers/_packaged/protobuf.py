"""The part of the protobuf wire format that ONNX files use, so that running one needs no ``onnx`` package.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}


def encode(number: int, value: float | str | bytes) -> bytes:
    """One field of a message: an integer, a 32-bit float, a string, or the bytes of another message or array."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | _FIXED32) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(data)), data))


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message in their order: number, and an integer or a view of the bytes."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        value: int | memoryview
        if tag & 7 == _VARINT:
            value, at = _read_varint(message, at)
        elif tag & 7 not in {_BYTES, *_FIXED_SIZES}:
            raise ValueError("a group, which is deprecated: other readers would read it differently")
        else:
            size, at = (_FIXED_SIZES[tag & 7], at) if tag & 7 in _FIXED_SIZES else _read_varint(message, at)
            value, at = message[at : at + size], at + size
        yield tag >> 3, value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits of two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
