"""The result of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from perf.quota.worlds.clients import Lost
from perf.quota.worlds.server import WorldServer

NOTICED_S = 5.0
"""After an outage, until it has to be noticed."""


@dataclass
class Outcome:
    """Figures of a run. ``lost`` counts texts by reason; times of queries leave out those asked in an outage."""

    client: str
    seconds: float = 0.0
    bound: float = 0.0
    texts: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    answered: int = 0
    rejected: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    query_count: int = 0
    query_p50: float = 0.0
    query_p95: float = 0.0
    query_max: float = 0.0
    query_first_minute: float = 0.0
    """p95 of the queries asked in the first minute."""
    peak: float = 0.0
    """Most requests sent within a minute, over the limit that the user states; 0 if none is."""
    exception: str | None = None
    hung: bool = False

    @property
    def efficiency(self) -> float:
        return self.bound / self.seconds if self.seconds and not self.exception and not self.hung else 0.0

    @property
    def rejections(self) -> float:
        """429s for a success."""
        return self.rejected / max(1, self.answered)

    @property
    def requests(self) -> float:
        """Requests sent for each that succeeded."""
        return self.sent / max(1, self.answered)

    def __str__(self) -> str:
        text = (
            f"{self.client:10} {self.seconds:8.1f} s, least {self.bound:8.1f} s, efficiency {self.efficiency:5.3f}; "
            f"{self.sent} sent, {self.answered} answered, {self.rejections:.4f} 429s per success"
        )
        if self.query_count:
            p50, p95, longest = self.query_p50, self.query_p95, self.query_max
            text += f"; {self.query_count} queries, p50 {p50:.2f} s, p95 {p95:.2f} s, max {longest:.2f} s"
        if self.errors:
            text += f"; {self.errors}"
        if self.lost:
            text += f"; lost {self.lost}"
        if self.hung:
            text += "; HUNG"
        if self.exception:
            text += f"; {self.exception}"
        return text

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Noted:
    """The record of a run. ``waits`` are (second of the question, seconds to the answer)."""

    server: WorldServer
    waits: list[tuple[float, float]] = field(default_factory=list)
    lost: Lost = field(default_factory=Counter)
    seconds: float = 0.0

    def write(self, outcome: Outcome) -> None:
        ledger, stated = self.server.ledger, self.server.world.stated.requests
        outcome.seconds = self.seconds
        outcome.lost = dict(sorted(self.lost.items()))
        outcome.sent, outcome.answered, outcome.rejected = len(ledger.sent), ledger.answered, ledger.rejected
        outcome.errors = dict(sorted(ledger.errors.items()))
        outcome.peak = _most_within(ledger.sent, 60.0) / stated if stated else 0.0
        fair = [(asked, wait) for asked, wait in self.waits if not self._is_excused(asked)]
        outcome.query_count = len(fair)
        if fair:
            waits = [wait for _, wait in fair]
            outcome.query_p50, outcome.query_p95 = (float(np.percentile(waits, p)) for p in (50, 95))
            outcome.query_max = max(waits)
            first = [wait for asked, wait in fair if asked < 60]
            outcome.query_first_minute = float(np.percentile(first, 95)) if first else 0.0

    def _is_excused(self, asked: float) -> bool:
        """No client gets an answer while the server is down, or notices at once that it is back."""
        return any(outage.start <= asked < outage.stop + NOTICED_S for outage in self.server.world.outages)


def _most_within(times: Sequence[float], seconds: float) -> int:
    """``times`` ascend."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
