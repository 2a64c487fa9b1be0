"""Other answers than the good one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from aembed.testing.faults.fault import Answer, Stage, Step


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
