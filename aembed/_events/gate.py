"""Events of a gate: pauses, limits that replies report, and the circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
