"""An HdrHistogram and its V2 encoding, as every implementation of it reads and writes.

Counts lie in bins that double in width with each octave: values are exact to ``digits`` decimal digits. Encoded, counts
are zigzag LEB128 numbers of up to nine bytes, a negative one for a run of empty bins; zlib and base64 around them.
The format is described by its reference implementation: HdrHistogram's ``ENCODING`` and ``ZigZagEncoding`` (Java).
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aembed.bench.rows.columns import Ints

PLAIN, COMPRESSED = 0x1C849303, 0x1C849304
"""Cookies of the V2 encoding, without the half byte that holds the size of a word."""
WORD = 0x10
"""That half byte in V2."""
HALF_BYTE = 0xF0
HEADER = struct.Struct(">iiiiqqd")
"""Cookie, bytes of the counts, index offset, digits, lowest and highest value, ratio of floating point values."""
FRAME = struct.Struct(">ii")
MAX_COUNTS_BYTES = 64 << 20
"""Bytes of counts, uncompressed, that are read at most: files may be of others."""
MAX_NUMBER_BYTES = 9
"""Bytes of a number; the ninth has eight bits of it, all others seven."""
DIGITS = 3
"""Significant digits of a value."""


@dataclass(frozen=True, slots=True)
class HdrHistogram:
    """Counts by bin: those of a bin are ``counts[i]`` for the bin with number ``bins[i]``, ascending."""

    bins: Ints
    counts: Ints
    digits: int = DIGITS
    lowest: int = 1
    """Values below are not distinguished."""

    @classmethod
    def of(cls, values: Ints) -> HdrHistogram:
        """The values, whole numbers from 0, in nanoseconds for example; with three digits."""
        bins, counts = np.unique(_bins_of(np.asarray(values, dtype=np.int64)), return_counts=True)
        return cls(bins.astype(np.int64), counts.astype(np.int64))

    def middles(self) -> Ints:
        """The middle value of each bin."""
        low, width = self._lower()
        return low + (width >> 1)

    def highest(self) -> int:
        """The largest value that counts as equal to the longest one; 0 without any."""
        if not len(self.bins):
            return 0
        low, width = self._lower()
        return int(low[-1] + width[-1] - 1)

    def _lower(self) -> tuple[Ints, Ints]:
        """The lowest value of each bin, and its width."""
        half, unit = _half_of(self.digits), self.lowest.bit_length() - 1
        octave = np.maximum(self.bins // half - 1, 0)
        return (self.bins - octave * half) << (octave + unit), np.int64(1) << (octave + unit)

    def encoded(self) -> str:
        """In base64."""
        counts = b"".join(map(_written, _runs(self.bins.tolist(), self.counts.tolist())))
        highest = max(2 * self.lowest, self.highest())
        header = HEADER.pack(PLAIN | WORD, len(counts), 0, self.digits, self.lowest, highest, 1.0)
        packed = zlib.compress(header + counts)
        return base64.b64encode(FRAME.pack(COMPRESSED | WORD, len(packed)) + packed).decode()

    @classmethod
    def decoded(cls, text: str) -> HdrHistogram:
        """From base64. Raises ValueError with the reason for anything but V2."""
        try:
            data = base64.b64decode(text, validate=True)
            cookie, length = FRAME.unpack_from(data)
            if cookie & ~HALF_BYTE != COMPRESSED:
                raise ValueError(f"cookie {cookie:#x} is not that of a compressed V2 histogram")
            unpacking = zlib.decompressobj()
            plain = unpacking.decompress(data[FRAME.size : FRAME.size + length], MAX_COUNTS_BYTES)
            cookie, length, offset, digits, lowest, highest, ratio = HEADER.unpack_from(plain)
        except (binascii.Error, struct.error, zlib.error) as error:
            raise ValueError(f"not an encoded histogram: {error}") from None
        if cookie & ~HALF_BYTE != PLAIN:
            raise ValueError(f"cookie {cookie:#x} is not that of a V2 histogram")
        if offset or ratio != 1.0:
            raise ValueError("a histogram of floating point values: only whole numbers can be read")
        if not (0 <= digits <= 5 and 1 <= lowest <= highest) or HEADER.size + length > len(plain):
            raise ValueError("a histogram that contradicts itself")
        bins, counts = _read(plain[HEADER.size : HEADER.size + length])
        return cls(bins, counts, digits, lowest)


def _half_of(digits: int) -> int:
    """Bins in each octave but the first, which has twice as many: a power of two, for ``digits`` decimal digits."""
    return 1 << (math.ceil(math.log2(2 * 10**digits)) - 1)


def _bins_of(values: Ints) -> Ints:
    """Numbers of the bins, of three digits from 1 on."""
    half = _half_of(DIGITS)
    _, bits = np.frexp(values.astype(np.float64))  # exact below 2^53: a hundred days of nanoseconds
    octave = np.maximum(bits.astype(np.int64) - half.bit_length(), 0)
    return np.asarray(octave * half + (values >> octave), dtype=np.int64)


def _runs(bins: list[int], counts: list[int]) -> Iterator[int]:
    """The counts of all bins up to the last, with runs of empty ones as one negative number."""
    after = 0
    for place, count in zip(bins, counts, strict=True):
        if gap := place - after:
            yield -gap if gap > 1 else 0
        yield count
        after = place + 1


def _written(value: int) -> bytes:
    """One number: zigzag, then seven bits a byte, the lowest first."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    found = bytearray()
    while rest > 0x7F and len(found) < MAX_NUMBER_BYTES - 1:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


def _read(data: bytes) -> tuple[Ints, Ints]:
    """Bins that are not empty, and their counts."""
    bins, counts, place, i = [], [], 0, 0
    while i < len(data):
        value = shift = 0
        for n in range(1, MAX_NUMBER_BYTES + 1):
            if i == len(data):
                raise ValueError("a histogram whose last number is cut off")
            byte = data[i]
            i += 1
            if n == MAX_NUMBER_BYTES:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        value = (value >> 1) ^ -(value & 1)
        if value > 0:
            bins.append(place)
            counts.append(value)
        place += -value if value < 0 else 1
    return np.array(bins, dtype=np.int64), np.array(counts, dtype=np.int64)
