"""Faults of connections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from aembed.testing.faults.fault import Answer, End, Stage, Step


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


@dataclass(frozen=True, slots=True)
class Late:
    """The good answer, after some seconds."""

    seconds: float
    at: Stage = field(default="headers", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield self.seconds
        yield good.head() + good.body


@dataclass(frozen=True, slots=True)
class StaleKeepAlive:
    """The good answer, but the connection, kept alive, is dead when the next request comes."""

    at: Stage = field(default="body", init=False, repr=False)

    def play(self, good: Answer) -> Iterator[Step]:
        yield good.head() + good.body
        yield End.STALE


def _begin(good: Answer, at: Stage) -> Iterator[Step]:
    if at == "body":
        yield good.head() + good.half()
