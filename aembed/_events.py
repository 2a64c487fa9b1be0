"""What can be observed: frozen events handed to one callable, and a snapshot of the counters.

No event is built when nobody listens. No event holds a text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

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


Event: TypeAlias = RequestDone | RetryScheduled | BatchSplit | BatchFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What an embedder has done and is doing. Counts since it was made; ``in_flight`` and ``waiting`` are now.

    From ``in_flight`` on everything belongs to the gate, which all embedders of the same account share.
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
