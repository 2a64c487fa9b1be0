"""What can be observed: frozen events for listeners, and a snapshot of the counters.

No event is built when nobody listens. No event holds a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aembed._errors import AembedError
    from aembed._types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDone:
    """A request was answered and its vectors passed the check. ``elapsed`` is in seconds, waiting not included."""

    model: str
    kind: Kind
    texts: int
    tokens: int | None
    truncated: int
    attempt: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled:
    """A request failed and will be sent again after ``delay`` seconds."""

    model: str
    kind: Kind
    texts: int
    attempt: int
    delay: float
    error: AembedError


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSplit:
    """A batch was refused as a whole and goes on in parts, to find the text at fault or to fit the provider."""

    model: str
    kind: Kind
    texts: int
    error: AembedError


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFailed:
    """A batch is given up: its texts have no vectors."""

    model: str
    kind: Kind
    texts: int
    error: AembedError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed:
    """The cache's store could not be read, which is a miss, or not be written, so that nothing is kept."""

    model: str
    operation: Literal["get", "put"]
    texts: int
    error: Exception
    """The store's own: of ``sqlite3``, the operating system, or whatever the store is built upon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherModel:
    """The server says that another model answered than was asked for: its vectors fit to no others.

    It is logged too, once for each name; ``strict=True`` makes it an error.
    """

    model: str
    answered: str
    """The model in the server's words."""
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


Event: TypeAlias = RequestDone | RetryScheduled | BatchSplit | BatchFailed | StoreFailed | OtherModel | DeadlineExceeded


@dataclass(slots=True)
class Counts:
    """What is counted outside the engine."""

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
    """What an embedder has done and is doing. Counts since it was made; ``in_flight`` and ``waiting`` are now.

    From ``in_flight`` on everything belongs to the gate, which all embedders on the same quota share.
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
    """Texts whose vector was kept."""
    cache_misses: int
    """Texts that had to be sent."""
    cache_shared: int
    """Texts that were on their way already, for another call."""
    cache_failures: int
    """Texts that could not be looked up or kept, because the store failed."""
    cache_dropped: int
    """Rows for which the cache had no room, or has none any more. It may be shared: of all its embedders."""
    merged_calls: int
    """Calls that shared their requests with others."""
    merged_requests: int
    """Batches that were made of them."""
    listener_failures: int
    """Events on which a listener raised an error; the first is logged with its traceback."""
    deadlines: int
    """Calls that ran into their deadline; their unanswered texts are among ``failed``."""
    in_flight: int
    waiting: int
    waiting_for: str
    """What keeps the first in line: "slots", "requests", "tokens", "inputs", "pause"; "" if nobody waits."""
    paused: float
    """Seconds until the provider may be asked again, after a refusal or an outage."""
    refusals: int
    """Requests the provider refused because they came too fast."""
    slots: int
    """Requests in flight at once, at most. Where the server has no quota it is what the server digests."""
    requests_per_minute: float | None
    """The limit that is kept: yours, or the provider's as its replies tell or show it. ``None`` while none is known."""
    tokens_per_minute: float | None
    inputs_per_minute: float | None
