"""Latency of the server. Pure: give it the time, and it says when the answer is due."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from a whole request to its answer: a lognormal part, and a part for the texts."""

    median: float = 0.0
    sigma: float = 0.0
    """Sigma of the lognormal distribution around ``median``; 0 is constant."""
    per_text: float = 0.0
    per_token: float = 0.0

    def sample(self, random: Random, inputs: int, tokens: int) -> float:
        """Seconds for one request; ``random`` moves only if ``sigma`` is not 0."""
        base = self.median * random.lognormvariate(0.0, self.sigma) if self.sigma else self.median
        return base + self.per_text * inputs + self.per_token * tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A server that works on ``workers`` requests at once, in order of arrival, and rejects beyond a full queue."""

    workers: int = 1
    max_waiting: int = 512


class Workers:
    """Busy workers of one :class:`Capacity`, and until when."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._free_at = [0.0] * capacity.workers
        self._starts: list[float] = []

    def take(self, now: float, seconds: float) -> float | None:
        """Seconds from ``now`` until work of ``seconds`` is done; ``None`` if the queue is full."""
        while self._starts and self._starts[0] <= now:
            heapq.heappop(self._starts)
        if len(self._starts) >= self._capacity.max_waiting and self._free_at[0] > now:
            return None
        start = max(now, self._free_at[0])
        heapq.heapreplace(self._free_at, start + seconds)
        if start > now:
            heapq.heappush(self._starts, start)
        return start + seconds - now
