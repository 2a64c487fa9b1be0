"""Events of a batch: its requests, their failures, the parts it is split into, and the cache that its vectors go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aembed._errors import AembedError
    from aembed._types import Kind


@dataclass(frozen=True, kw_only=True)
class RequestEvent:
    """Fields that all events about a request or a batch have."""

    model: str
    kind: Kind
    texts: int
    embedder: str = ""
    """Name that the embedder was opened with: a profile, or ``"provider:model"``."""
    provider: str = ""
    server: str | None = None
    """Host name of the provider's server; ``None`` for a model in this process."""
    port: int | None = None
    calls: tuple[int, ...] = ()
    """Numbers of the calls whose texts it carries: several where calls share a batch, or a text in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPhases:
    """Phases of a request over HTTP, in seconds. They add up to its ``elapsed``."""

    new_connection: bool
    """No kept connection was free."""
    connecting: float
    """Until a new connection was open: name lookup, TCP, TLS. 0 if a kept one was used."""
    first_byte: float
    """From then until the head of the reply: the request is encoded and sent, and the server works."""
    body: float
    """Until the last byte of the reply."""
    decoding: float
    """Decoding and checking the vectors, those included that are decoded while the rest arrives."""


@dataclass(frozen=True, kw_only=True)
class RequestDone(RequestEvent):
    """A request was answered and its vectors passed the check. ``elapsed`` is in seconds, without ``waited``."""

    tokens: int | None
    truncated: int
    attempt: int
    elapsed: float
    waited: float = 0.0
    """Seconds at the gate before this attempt."""
    cost: float | None = None
    """US dollars, where tokens and the model's price are known."""
    request_id: str | None = None
    response_model: str | None = None
    """Model that answered, where the server names another than ``model``."""
    phases: RequestPhases | None = None
    """Set for HTTP if a listener has ``wants_phases``."""


@dataclass(frozen=True, kw_only=True)
class RequestFailed(RequestEvent):
    """An attempt failed, was cancelled, or its vectors did not pass the check. The next events say what follows."""

    attempt: int
    elapsed: float
    """Seconds in flight, without ``waited``."""
    waited: float = 0.0
    """Seconds at the gate before this attempt."""
    error: AembedError | None
    """``None`` for an attempt that was cancelled, or in which the provider raised something else."""
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RetryScheduled(RequestEvent):
    """A request failed and will be sent again after ``delay`` seconds."""

    attempt: int
    delay: float
    error: AembedError


@dataclass(frozen=True, kw_only=True)
class BatchSplit(RequestEvent):
    """A batch was rejected as a whole; its parts are sent, to find the text at fault or to fit the provider."""

    error: AembedError


@dataclass(frozen=True, kw_only=True)
class BatchFailed(RequestEvent):
    """A batch is given up: its texts have no vectors."""

    error: AembedError


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherModel:
    """The server reports that another model answered than was requested: its vectors fit no others.

    It is logged too, once for each name; ``strict=True`` makes it an error.
    """

    model: str
    answered: str
    """Name of the model in the server's reply."""
    kind: Kind
    texts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed:
    """The cache's store could not be read, which is a miss, or could not be written, so that nothing is cached."""

    model: str
    operation: Literal["get", "put"]
    texts: int
    error: Exception
    """Error of the store: from ``sqlite3``, the operating system, or the library the store is built on."""
