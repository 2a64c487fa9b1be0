"""The format of a reply: a type for its JSON, and the places of vectors and usage in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")

VectorPositions: TypeAlias = tuple[Sequence[int], Sequence[str | list[float] | None]]
"""Indices of the texts, and the value in the place of each text's vector, both in the order of the body.

The values come from a skeleton of the reply, without its vectors: ``""`` in the place of a base64 string, ``[k]`` in
the place of the ``k``-th array of numbers. ``vector_positions`` just lists them.
"""


def _no_usage(_: Any) -> None:
    """The usage of a reply that reports none."""


@dataclass(frozen=True)
class ReplyFormat(Generic[T]):
    """The places of vectors and usage in a reply.

    ``ReplyFormat(Answer, lambda answer: (range(len(answer.rows)), answer.rows))`` fits ``{"rows": [[0.1, ...], ...]}``
    with ``class Answer(msgspec.Struct): rows: list[list[float]]``.
    """

    type: type[T]
    """Type that msgspec decodes the JSON to. Fields that it does not name are skipped."""
    vector_positions: Callable[[T], VectorPositions]
    """Lists the texts that the vectors belong to, and the vectors, in the order of the body."""
    tokens: Callable[[T], int | None] = _no_usage
    """The usage, if the reply has one; see :func:`token_count`."""
    base64_key: str | None = None
    """Key whose values may be base64 strings of little-endian float32. ``None``: vectors are arrays of numbers."""
    quoted_key: bytes | None = field(init=False, repr=False)
    openings: tuple[bytes, ...] = field(init=False, repr=False)
    """The usual spellings of all that comes before a base64 string."""
    parse: Callable[[bytes | bytearray], T] = field(init=False, repr=False, compare=False)
    """Parses a body without its vectors. A decoder that exists finds the type's fields faster than a new one."""

    def __post_init__(self) -> None:
        key = None if self.base64_key is None else b'"%s"' % self.base64_key.encode()
        object.__setattr__(self, "quoted_key", key)
        object.__setattr__(self, "openings", () if key is None else (key + b':"', key + b': "'))
        object.__setattr__(self, "parse", msgspec.json.Decoder(self.type).decode)


def token_count(value: Any) -> int | None:
    """A server's count of tokens, or ``None`` for anything but a sensible number: odd usage must not cost vectors."""
    return int(value) if type(value) in {int, float} and 0 <= value < 2**53 else None


def header_token_count(value: str | None) -> int | None:
    """The same for the value of a header."""
    return token_count(int(value)) if value is not None and re.fullmatch(r"[0-9]{1,18}", value) else None
