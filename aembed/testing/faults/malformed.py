"""Answers that lie about themselves, or have no end."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count

from aembed.testing.faults.fault import Answer, End, Stage, Step


@dataclass(frozen=True, slots=True)
class Truncate:
    """Half of the body that Content-Length promises, then the end."""

    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head() + good.half()
        yield End.CLOSED


@dataclass(frozen=True, slots=True)
class Understate:
    """Content-Length is less than the body, by so many bytes."""

    by: int = 10
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head(length=max(0, len(good.body) - self.by)) + good.body


@dataclass(frozen=True, slots=True)
class Surplus:
    """The good answer, followed by unrequested bytes: a whole answer by default."""

    data: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head() + good.body + self.data


@dataclass(frozen=True, slots=True)
class BadChunk:
    """A body in chunks, the second of which has no valid size."""

    size: bytes = b"zz"
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        half = good.half()
        yield good.head(transfer_encoding="chunked") + b"%x\r\n%b\r\n" % (len(half), half)
        yield self.size + b"\r\n" + good.body[len(half) :] + b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Garbage:
    """No HTTP at all."""

    data: bytes = b"\x15\x03\x01\x00\x02\x02\x46 SSH-2.0-not-the-server-you-mean\r\n\r\n"
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield self.data
        yield End.CLOSED


@dataclass(frozen=True, slots=True)
class EndlessHeaders:
    """One header after the other: at once, until the client has enough; or one every ``seconds``."""

    seconds: float = 0.0
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head()[:-2]
        for number in count():
            yield b"x-more-%d: and more\r\n" % number
            yield self.seconds


@dataclass(frozen=True, slots=True)
class SlowBody:
    """The good answer, its body ``size`` bytes at a time, every ``seconds``."""

    seconds: float = 1.0
    size: int = 1
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head()
        for start in range(0, len(good.body), self.size):
            yield self.seconds
            yield good.body[start : start + self.size]


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A small body that inflates to ``size`` bytes of JSON."""

    size: int = 50_000_000
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        bomb = replace(good, body=_deflated(self.size))
        yield bomb.head(content_encoding="gzip") + bomb.body


@dataclass(frozen=True, slots=True)
class HugeBody:
    """A body of ``size`` bytes, that says so or not."""

    size: int = 1_000_000_000
    says_so: bool = False
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        piece = b" " * 65536
        if self.says_so:
            yield good.head(length=self.size)
        else:
            yield good.head(transfer_encoding="chunked")
        for _ in range(self.size // len(piece)):
            yield piece if self.says_so else b"10000\r\n%b\r\n" % piece
        yield End.CLOSED


@cache
def _deflated(size: int) -> bytes:
    return gzip.compress(b'{"data":[' + b" " * size + b"]}", 9, mtime=0)
