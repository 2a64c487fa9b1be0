"""What arrived when, and how much at once. Keys, texts and header values are never part of it."""

from __future__ import annotations

from dataclasses import dataclass, field

GONE = 499
"""Status of a request whose client did not wait for the answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, or what broke before it was whole (status 0).

    ``received`` (all of it was here) and ``answered`` are loop times, in seconds.
    """

    method: str
    path: str
    header_names: tuple[str, ...]
    connection: int
    inputs: int
    tokens: int
    status: int
    received: float
    answered: float
    reason: str = ""
    """What the refusal was about, or the fault; empty for a good answer."""


@dataclass(slots=True)
class Counters:
    """Since the server started."""

    requests: int = 0
    """Requests received, refused and abandoned ones included."""
    inputs: int = 0
    """Texts embedded, and paid for: also where a fault kept the answer from its reader."""
    tokens: int = 0
    """Tokens embedded."""
    faults: int = 0
    """Faults played."""
    in_flight: int = 0
    max_in_flight: int = 0
    """Whole requests not yet answered; without latency every one is answered at once."""
    connections: int = 0
    """Connections open now."""
    connections_opened: int = 0
    requests_per_connection: dict[int, int] = field(default_factory=dict[int, int])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    """Status -> how many answers."""
