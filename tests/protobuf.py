"""Writes fields of the protobuf wire format: https://protobuf.dev/programming-guides/encoding/."""

from __future__ import annotations

import struct

_VARINT, _BYTES, _FIXED32 = 0, 2, 5


def encode(number: int, value: float | str | bytes) -> bytes:
    """One field of a message: an integer, a 32-bit float, a string, or the bytes of another message or array."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | _FIXED32) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return b"".join((_varint(number << 3 | _BYTES), _varint(len(data)), data))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits of two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
