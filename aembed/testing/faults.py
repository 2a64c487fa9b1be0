"""Ways in which a server goes wrong, as values that a :class:`LoopbackServer` plays instead of its good answers.

    LoopbackServer("openai", faults=[Reset("body"), None, Status(503)])    # the third request is refused

``faults`` is an iterable, one item for each request in the order of their arrival, ``None`` for a good answer, and
good answers after its end; or a function of the request's number, from 1.

A fault of your own is a frozen value with ``at`` and ``play``: it gets the good answer and yields what happens to it,
bytes to write, seconds to wait, or an :class:`End`. After the last step the connection serves the next request.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cache
from http import HTTPStatus
from itertools import count, repeat
from random import Random
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

Stage: TypeAlias = Literal["accept", "request", "headers", "body"]
"""When it happens: as the connection is made, as a request begins to arrive, before the answer, or within its body.

The first two are too late on a connection that is already open, or for a request that is already here: then it
happens as soon as it can.
"""


class End(Enum):
    """How a connection goes on, if not as usual."""

    RESET = auto()
    """Torn down: the client sees a reset."""
    CLOSED = auto()
    """Closed in good order, though too early."""
    SILENT = auto()
    """Nothing more is said, until the client leaves."""
    STALE = auto()
    """Nobody is there any more when the next request comes: it meets a reset."""


Step: TypeAlias = bytes | float | End


@dataclass(frozen=True, slots=True)
class Answer:
    """The good answer that is to be spoilt. ``headers`` go without the length of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def head(self, length: int | None = None, **more: str) -> bytes:
        """Status line and headers; ``length`` as it is told. ``more`` headers, with ``_`` for ``-``."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unassigned"
        headers = {**self.headers, **{name.replace("_", "-"): value for name, value in more.items()}}
        if "transfer-encoding" not in headers:
            headers["content-length"] = str(len(self.body) if length is None else length)
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]


class Fault(Protocol):
    """What all of them have."""

    @property
    def at(self) -> Stage: ...

    def play(self, good: Answer) -> Iterator[Step]: ...


Script: TypeAlias = Iterable[Fault | None] | Callable[[int], Fault | None]


def scripted(script: Script) -> Iterator[Fault | None]:
    """One item for each request, without end."""
    if callable(script):
        yield from map(script, count(1))
    else:
        yield from script
        yield from repeat(None)


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down."""

    at: Stage = "headers"

    def play(self, good: Answer) -> Iterator[Step]:
        yield from _begin(good, self.at)
        yield End.RESET


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in good order, but too early."""

    at: Stage = "headers"

    def play(self, good: Answer) -> Iterator[Step]:
        yield from _begin(good, self.at)
        yield End.CLOSED


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing more comes; the connection stays."""

    at: Stage = "headers"

    def play(self, good: Answer) -> Iterator[Step]:
        yield from _begin(good, self.at)
        yield End.SILENT


def _begin(good: Answer, at: Stage) -> Iterator[Step]:
    if at == "body":
        yield good.head() + good.half()


@dataclass(frozen=True, slots=True)
class Late:
    """The good answer, after some seconds."""

    seconds: float
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield self.seconds
        yield good.head() + good.body


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
class Truncate:
    """Half of the body that Content-Length promises, then the end."""

    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head() + good.half()
        yield End.CLOSED


@dataclass(frozen=True, slots=True)
class Understate:
    """Content-Length is less than what comes, by so many bytes."""

    by: int = 10
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head(length=max(0, len(good.body) - self.by)) + good.body


@dataclass(frozen=True, slots=True)
class Surplus:
    """The good answer, and behind it bytes that nobody asked for: a whole answer, unless you say otherwise."""

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
class GzipBomb:
    """A small body that inflates to ``size`` bytes of JSON."""

    size: int = 50_000_000
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        bomb = replace(good, body=_deflated(self.size))
        yield bomb.head(content_encoding="gzip") + bomb.body


@cache
def _deflated(size: int) -> bytes:
    return gzip.compress(b'{"data":[' + b" " * size + b"]}", 9, mtime=0)


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


@dataclass(frozen=True, slots=True)
class Status:
    """Another answer: this status, these headers and this body, of bytes or of what becomes JSON."""

    code: int
    body: Any = field(default=b"", hash=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        body = self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        answer = Answer(self.code, {**good.headers, **self.headers}, body)
        yield answer.head() + body


@dataclass(frozen=True, slots=True)
class Redirect:
    """Somewhere else, with any of the 3xx."""

    to: str
    code: int = 307
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield Answer(self.code, {**good.headers, "location": self.to}, b"").head()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The good answer, its JSON changed by a function."""

    change: Callable[[Any], Any]
    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        answer = replace(good, body=msgspec.json.encode(self.change(msgspec.json.decode(good.body))))
        yield answer.head() + answer.body


@dataclass(frozen=True, slots=True)
class StaleKeepAlive:
    """The good answer, but the connection, kept alive, is dead when the next request comes."""

    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head() + good.body
        yield End.STALE


TRANSIENT: tuple[Fault, ...] = (
    Reset("accept"),
    Reset("request"),
    Reset("headers"),
    Reset("body"),
    Close("headers"),
    Close("body"),
    Truncate(),
    BadChunk(),
    Surplus(),
    StaleKeepAlive(),
    Garbage(),
    Status(500),
    Status(503, {"error": {"message": "busy"}}),
    Status(503, headers={"retry-after": "0"}),
)
"""What a good client survives by trying again."""


def at_random(rate: float, seed: int = 0, among: Iterable[Fault] = TRANSIENT) -> Iterator[Fault | None]:
    """Without end: each answer is spoilt with the probability ``rate``, in one of these ways."""
    random, faults = Random(seed), tuple(among)  # noqa: S311
    while True:
        yield random.choice(faults) if random.random() < rate else None
