"""What the layers note of a call while somebody listens, for :class:`aembed.CallDone`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from aembed._engine.timeline import Clock, Timeline, Waits

_numbers = count(1)


class CallRecord:
    """``number`` names the call in events. A shared call has a record as well, which passes on what it notes."""

    __slots__ = ("attempts", "cache_hits", "cache_misses", "cache_shared", "merged", "number", "response_model", "time")

    def __init__(self, clock: Clock, gate: Waits | None) -> None:
        self.number = next(_numbers)
        self.time = Timeline(clock, gate)
        self.attempts = 0
        """Of the request that needed most."""
        self.cache_hits = self.cache_misses = self.cache_shared = 0
        self.merged = False
        self.response_model: str | None = None

    def attempted(self, attempts: int) -> None:
        """A request has been sent for the ``attempts``-th time."""
        self.attempts = max(self.attempts, attempts)


def numbers(records: Iterable[CallRecord | None]) -> tuple[int, ...]:
    """Of those that are observed."""
    return tuple(record.number for record in records if record is not None)
