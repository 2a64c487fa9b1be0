"""Faults at random."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from aembed.testing.faults.answers import Status
from aembed.testing.faults.connections import Close, Reset, StaleKeepAlive
from aembed.testing.faults.fault import Fault
from aembed.testing.faults.malformed import BadChunk, Garbage, Surplus, Truncate

TRANSIENT: tuple[Fault, ...] = (
    Reset("accept"),
    Reset("request"),
    Reset("headers"),
    Reset("body"),
    Close("headers"),
    Close("body"),
    Truncate(),
    BadChunk(),
    Surplus(),
    StaleKeepAlive(),
    Garbage(),
    Status(500),
    Status(503, {"error": {"message": "busy"}}),
    Status(503, headers={"retry-after": "0"}),
)
"""Faults that a good client survives by retrying."""


def at_random(rate: float, seed: int = 0, among: Iterable[Fault] = TRANSIENT) -> Iterator[Fault | None]:
    """An endless sequence: each answer is damaged with probability ``rate``, in one of these ways."""
    random, faults = Random(seed), tuple(among)  # noqa: S311
    while True:
        yield random.choice(faults) if random.random() < rate else None
