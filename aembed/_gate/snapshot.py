"""The state of a gate at one moment, for statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Times are in seconds, limits per minute."""

    in_flight: int
    waiting: int
    waiting_for: str
    paused: float
    rejections: int
    slots: int
    requests_per_minute: float | None
    tokens_per_minute: float | None
    inputs_per_minute: float | None
    circuit_open: bool
    """One probe at a time is sent."""
    limits: Mapping[str, float]
    """The known ones of those above, by "requests", "tokens", "inputs"."""
    remaining: Mapping[str, float]
    """Part of each of them that could be sent now."""
