"""A fault is a value that changes a good answer, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from itertools import count, repeat
from typing import Literal, Protocol, TypeAlias

Stage: TypeAlias = Literal["accept", "request", "headers", "body"]
"""When it happens: as the connection is made, as a request begins to arrive, before the answer, or within its body.

The first two are too late on a connection that is already open, or for a request that is already here: then it
happens as soon as it can.
"""


class End(Enum):
    """The next state of a connection, if not the usual one."""

    RESET = auto()
    """Torn down: the client sees a reset."""
    CLOSED = auto()
    """Closed in good order, though too early."""
    SILENT = auto()
    """Nothing more is said, until the client leaves."""
    STALE = auto()
    """The connection is gone when the next request comes: it meets a reset."""


Step: TypeAlias = bytes | float | End


@dataclass(frozen=True, slots=True)
class Answer:
    """The good answer that is to be spoilt. ``headers`` go without the length of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def head(self, length: int | None = None, **more: str) -> bytes:
        """Status line and headers; ``length`` as stated. ``more`` headers, with ``_`` for ``-``."""
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
    """Fields of all faults."""

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
