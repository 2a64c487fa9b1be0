"""Events of a public call, from its beginning to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aembed._errors import AembedError
    from aembed._types import Kind

Outcome: TypeAlias = Literal["ok", "partial", "error", "deadline", "cancelled"]
"""End of a call: every text has its vector; some have, with ``on_error="return"``; an error was raised; the deadline
has passed; the caller cancelled it."""

Operation: TypeAlias = Literal[
    "embed_query", "embed_queries", "embed_documents", "embed", "get_dimension", "check_health"
]
"""Method of :class:`Embedder` that was called. Each chunk of a stream is an ``embed``."""

Resource: TypeAlias = Literal["slots", "requests", "tokens", "inputs", "pause"]
"""Reason for a wait at the gate: requests in flight, a quota per minute or day, or a pause after a 429 or an outage."""


@dataclass(frozen=True, kw_only=True)
class CallStarted:
    """A public call begins. Listeners with a method ``call_started`` receive it, in the task of the caller."""

    call: int
    """Number of the call, unique in this process."""
    operation: Operation
    kind: Kind
    embedder: str
    """Name that the embedder was opened with: a profile, or ``"provider:model"``."""
    provider: str
    model: str
    server: str | None = None
    """Host name of the provider's server; ``None`` for a model in this process."""
    port: int | None = None
    cached: bool = False
    """The embedder has a cache, so that no request may be needed."""


@dataclass(frozen=True, kw_only=True)
class CallDone:
    """A public call has ended: with its result, an error, its deadline, a cancellation. Every call has exactly one.

    Times are in seconds. At any moment a call counts as ``waited`` while one of its requests waits at the gate, else as
    ``sending`` while one is in flight, else as ``backoff`` while one sleeps before a retry. What ``elapsed`` has beyond
    these three is aembed's own: checks, cache lookups, waiting for a batch to fill.
    """

    call: int
    """Number of the call, unique in this process."""
    operation: Operation
    kind: Kind
    texts: int
    """Texts handed in; 0 where the argument was not a collection of texts."""
    outcome: Outcome
    error_class: str | None = None
    """Class name of the error that was raised, or of the first failure with ``on_error="return"``."""
    elapsed: float
    waited: float = 0.0
    waited_for: Resource | Literal[""] = ""
    """Resource that the call waited for longest; "" if it did not wait."""
    waits: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of ``waited`` for each resource."""
    sending: float = 0.0
    backoff: float = 0.0
    attempts: int = 0
    """Attempts of the request that needed most of them: 1 without retries, 0 if nothing was sent."""
    requests: int = 0
    """Requests charged to this call, retries included. One that several calls share is charged to one of them."""
    tokens: int | None = 0
    """Tokens that the provider reported for this call; ``None`` if a reply came without a count."""
    cost: float | None = None
    """US dollars, where tokens and the model's price are known."""
    failed: int = 0
    """Texts without a vector."""
    truncated: int = 0
    """Texts truncated to the model's length."""
    cache_hits: int = 0
    """Texts answered from the cache."""
    cache_shared: int = 0
    """Texts that were already in flight for another call."""
    cache_misses: int = 0
    """Texts not found in the cache, and sent."""
    merged: bool = False
    """The micro-batcher sent it in one batch with other calls."""
    embedder: str = ""
    """Name that the embedder was opened with: a profile, or ``"provider:model"``."""
    provider: str = ""
    model: str = ""
    server: str | None = None
    """Host name of the provider's server; ``None`` for a model in this process."""
    port: int | None = None
    dimension: int | None = None
    """Length of the vectors, once known."""
    response_model: str | None = None
    """Model that answered, where the server names another than ``model``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineExceeded:
    """A call ran into its deadline. ``failed`` texts had been sent, ``not_attempted`` ones were still in the queue."""

    model: str
    kind: Kind
    texts: int
    failed: int
    not_attempted: int
    deadline: float
    """Seconds."""
    error: AembedError
    """Its ``__cause__`` is the last failure of a request, if there was one."""
