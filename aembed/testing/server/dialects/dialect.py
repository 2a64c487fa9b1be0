"""A dialect: the facts of one provider's embedding API, as its server sees them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import msgspec

from aembed.testing.quotas import MeteredResource, QuotaLevel
from aembed.testing.server.parse import Request

Problem: TypeAlias = Literal[
    "path",  # nothing is served there
    "method",
    "no_key",
    "key",  # a wrong one
    "model",  # unknown
    "json",  # the body is not JSON
    "field",  # a field is missing, wrong, or unknown; ``detail`` says which
    "prompt",  # the model has none of the name ``detail``
    "empty",  # no text, or an empty one
    "batch",  # ``got`` texts where ``limit`` are allowed
    "request_tokens",  # ``got`` tokens in all where ``limit`` are allowed
    "text_tokens",  # the text at ``index`` has ``got`` tokens where ``limit`` are allowed
    "body",  # ``got`` bytes where ``limit`` are allowed
    "rate",  # the quota of ``resource`` is used up for ``wait`` seconds
    "never",  # the amount is above the whole quota of ``resource``
    "overloaded",  # the queue is full
]


@dataclass
class Rejection(Exception):  # noqa: N818  # an answer, no failure of ours
    """A request that is not answered with vectors."""

    problem: Problem
    detail: str = ""
    limit: float = 0
    got: float = 0
    index: int = 0
    resource: MeteredResource = "requests"
    wait: float = 0.0
    model: str = ""


@dataclass(slots=True)
class Ask:
    """Content of a request."""

    texts: list[str]
    model: str = ""
    dimensions: int | None = None
    base64: bool = False
    truncate: bool = False
    """Cut texts that are too long, instead of rejecting them."""
    tokens: Sequence[int] | None = None
    """Per text, where the client sent tokens; else they are estimated."""
    encoding_format: bool = False
    """The request says how to encode vectors."""


@dataclass(frozen=True, slots=True)
class ReplyParts:
    """Everything a reply is made of. ``vectors`` are pieces of JSON, in the order of the texts."""

    ask: Ask
    vectors: Sequence[bytes]
    tokens: int | None
    """``None``: do not say."""
    order: Sequence[int]
    """In which the items are written, where they carry their index."""
    number: int
    """Number of the request, since the server started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits of one request; ``None`` is unlimited."""

    inputs: int | None = None
    request_tokens: int | None = None
    text_tokens: int | None = None
    body_bytes: int | None = None


def _nothing_announced(levels: Sequence[QuotaLevel]) -> Mapping[str, str]:
    return {}


def _no_headers(answer: ReplyParts) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One provider. ``read`` and ``key`` parse a request; ``write`` and ``reject`` answer it, well or with an error."""

    base: str = ""
    """Path of the base URL that clients are given, without a slash at its end."""
    route: Callable[[str], str | None]
    """Path of a request -> the model named in it (perhaps ""), or ``None`` if embeddings are not served there."""
    key: Callable[[Request], str | None]
    read: Callable[[Request, str], Ask]
    """Request and the model named in its path -> its content. Raises :class:`Rejection`."""
    write: Callable[[ReplyParts], list[bytes]]
    """The pieces of the body, without any blanks."""
    reject: Callable[[Rejection], tuple[int, Any]]
    """Status, and the body before it is made JSON."""
    caps: Caps
    model_caps: Mapping[str, Caps] = field(default_factory=dict[str, Caps])
    """Caps of single models."""
    request_id: str = "x-request-id"
    headers: Callable[[ReplyParts], Mapping[str, str]] = _no_headers
    """Headers of good answers."""
    announce: Callable[[Sequence[QuotaLevel]], Mapping[str, str]] = _nothing_announced
    """Quota headers."""
    mixes: bool = True
    """One reply may hold base64 and numbers."""
    retry_after: bool = True
    """False if only the body has the waiting time."""


Wording: TypeAlias = Mapping[Problem, tuple[int, str]]
"""Status and message of each problem; names in braces are fields of the rejection."""


def worded(wording: Wording, body: Callable[[Rejection, int, str], Any]) -> Callable[[Rejection], tuple[int, Any]]:
    """``reject`` of a dialect: ``body`` has the error, given the rejection, its status and its message."""

    def reject(rejection: Rejection) -> tuple[int, Any]:
        status, message = wording[rejection.problem]
        return status, body(rejection, status, message.format_map(vars(rejection)))

    return reject


def bearer(request: Request) -> str | None:
    """The key of ``Authorization: Bearer KEY``."""
    scheme, _, key = request.head.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def at(*paths: str) -> Callable[[str], str | None]:
    """A ``route`` for paths that name no model."""
    return lambda path: "" if path in paths else None


def reader(type_: type[Any]) -> Callable[[bytes], Any]:
    """A body -> a struct of this type, or the :class:`Rejection` for its fault."""
    decoder = msgspec.json.Decoder(type_)

    def decode(body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            raise Rejection("field", str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Rejection("json", str(error)) from None

    return decode


def strings(given: str | list[str]) -> list[str]:
    """One text or several, none of them empty."""
    texts = [given] if isinstance(given, str) else given
    if not texts or "" in texts:
        raise Rejection("empty", index=texts.index("") if texts else 0)
    return texts


def one_of(name: str, value: str | None, allowed: Collection[str | None]) -> None:
    """The value must be allowed."""
    if value not in allowed:
        raise Rejection("field", f"{value!r} is not a valid value of {name}")


def positive(name: str, value: int | None) -> None:
    """The number, if there is one, must be 1 or more."""
    if value is not None and value < 1:
        raise Rejection("field", f"{value} is less than the minimum of 1 - '{name}'")
