"""Events for listeners, and snapshots of the counters.

An event is built only when a listener wants it. No event holds a text, a vector or a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from aembed._errors import AembedError
    from aembed._types import Kind

T = TypeVar("T")

Outcome: TypeAlias = Literal["ok", "partial", "error", "deadline", "cancelled"]
"""End of a call: every text has its vector; some have, with ``on_error="return"``; an error was raised; the deadline
has passed; the caller cancelled it."""

Operation: TypeAlias = Literal[
    "embed_query", "embed_queries", "embed_documents", "embed", "get_dimension", "check_health"
]
"""Method of :class:`Embedder` that was called. Each chunk of a stream is an ``embed``."""

Resource: TypeAlias = Literal["slots", "requests", "tokens", "inputs", "pause"]
"""Reason for a wait at the gate: requests in flight, a quota per minute or day, or a pause after a 429 or an outage."""


def built(kind: type[T], values: dict[str, Any]) -> T:
    """An event of a class without slots, from its fields; those left out have their default.

    The ``__init__`` of a frozen dataclass sets each field by a call of ``object.__setattr__``: ten times the cost.
    """
    event = object.__new__(kind)
    object.__setattr__(event, "__dict__", values)
    return event


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
    """Texts handed in; 0 where the argument was no collection of texts."""
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
class StoreFailed:
    """The cache's store could not be read, which is a miss, or could not be written, so that nothing is cached."""

    model: str
    operation: Literal["get", "put"]
    texts: int
    error: Exception
    """Error of the store: from ``sqlite3``, the operating system, or the library the store is built on."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GateEvent:
    """Fields that all events of a gate have. One gate serves all embedders that share a quota."""

    account: str
    """Short digest of provider, base_url and key: equal for embedders that share a quota. It reveals no key."""
    provider: str
    model: str | None = None
    """Model whose quota it is, where the provider counts each model separately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePaused(GateEvent):
    """No request is sent for ``seconds``: after a 429, or during an outage."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResumed(GateEvent):
    """The pause is over. It is noticed when the next request is admitted or ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(GateEvent):
    """A limit was learnt from replies, or has changed."""

    resource: Literal["requests", "tokens", "inputs"]
    before: float | None
    """Per minute; ``None`` while none was known."""
    limit: float | None
    """Per minute; ``None`` if none is known any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitOpened(GateEvent):
    """Requests only fail, or get 429 without Retry-After: one probe at a time is sent until one succeeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitClosed(GateEvent):
    """A probe succeeded: requests flow again."""


Event: TypeAlias = (
    CallDone
    | RequestDone
    | RequestFailed
    | RetryScheduled
    | BatchSplit
    | BatchFailed
    | StoreFailed
    | OtherModel
    | DeadlineExceeded
    | GatePaused
    | GateResumed
    | LimitChanged
    | CircuitOpened
    | CircuitClosed
)


@dataclass(slots=True)
class Counts:
    """Counters of one embedder; :class:`Statistics` explains them."""

    texts: int = 0
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    failed: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_shared: int = 0
    cache_failures: int = 0
    merged_calls: int = 0
    merged_requests: int = 0
    listener_failures: int = 0
    deadlines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counters of an embedder since it was made, and its state now.

    The fields from ``in_flight`` on describe the gate, which all embedders on the same quota share.
    """

    texts: int
    """Texts that got their vector."""
    tokens: int
    """Tokens the provider reported."""
    requests: int
    """Attempts sent, retries included."""
    retries: int
    failed: int
    """Texts given up."""
    cache_hits: int
    """Texts answered from the cache."""
    cache_misses: int
    """Texts not found in the cache, and sent."""
    cache_shared: int
    """Texts that were already in flight for another call."""
    cache_failures: int
    """Texts that could not be looked up or cached, because the store failed."""
    cache_dropped: int
    """Rows that the cache had no room for, or has evicted. Counted for all embedders that share the cache."""
    merged_calls: int
    """Calls sent in one batch with others."""
    merged_requests: int
    """Batches made of several calls."""
    listener_failures: int
    """Events on which a listener raised an error; the first is logged with its traceback."""
    deadlines: int
    """Calls that ran into their deadline; their unanswered texts are among ``failed``."""
    in_flight: int
    waiting: int
    waiting_for: str
    """Resource that keeps the first in line: "slots", "requests", "tokens", "inputs", "pause"; "" if none waits."""
    paused: float
    """Seconds until the next request may be sent, after a 429 or an outage."""
    refusals: int
    """Requests answered with 429."""
    slots: int
    """Limit of requests in flight. For a server without a quota it adapts to what the server handles."""
    requests_per_minute: float | None
    """Limit in force: yours, or the one that replies report or show. ``None`` while none is known."""
    tokens_per_minute: float | None
    inputs_per_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderStatistics:
    """Counters of all embedders of one name that a factory has made, closed ones included."""

    embedder: str
    """Name they were opened with: a profile, or ``"provider:model"``."""
    provider: str
    model: str
    account: str
    """That of :class:`AccountStatistics`."""
    is_open: bool
    texts: int
    tokens: int
    cost: float | None
    """US dollars; ``None`` where the model's price is not known."""
    requests: int
    retries: int
    failed: int
    cache_hits: int
    cache_misses: int
    cache_shared: int
    cache_failures: int
    merged_calls: int
    merged_requests: int
    listener_failures: int
    deadlines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatistics:
    """State of one gate: of all embedders that share a quota. Times are in seconds, limits per minute."""

    account: str
    """Short digest of provider, base_url and key. It reveals no key."""
    provider: str
    model: str | None
    """Model whose quota it is, where the provider counts each model separately."""
    in_flight: int
    waiting: int
    waiting_for: str
    slots: int
    paused: float
    circuit_open: bool
    refusals: int
    """Requests answered with 429."""
    limits: Mapping[str, float]
    """Known limits: by "requests", "tokens", "inputs"."""
    remaining: Mapping[str, float]
    """Part of each of them that could be sent now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryStatistics:
    """Snapshot of a factory."""

    embedders: tuple[EmbedderStatistics, ...]
    accounts: tuple[AccountStatistics, ...]
