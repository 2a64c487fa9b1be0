"""Adaptive concurrency: the number of requests in flight at once. Pure: every method gets the time.

failures   a server that breaks connections or answers 503 gets fewer for a while
queue      a server without a quota, only so much capacity, gets as many as keep it busy: more would wait in its
           own queue, where no query can overtake them
"""

from __future__ import annotations

from aembed._gate.failure_ceiling import FailureCeiling
from aembed._gate.queue_limit import QueueLimit

MAX_ELAPSED_S = 86_400.0
"""Longest request time that is believed; a longer one means that the clock has jumped."""
MAX_CHARACTERS = 1e12
"""Largest request size that counts: its square stays well within the range of a float."""


class AdaptiveConcurrency:
    """``slots``: requests at once, between one and ``most``. ``adaptive``: the server has no quota, only capacity."""

    def __init__(self, most: int, *, adaptive: bool) -> None:
        self.most = most
        self.adaptive = adaptive
        self._ceiling = FailureCeiling(most)
        self._queue = QueueLimit(most) if adaptive else None
        self.slots = 1 if adaptive else most

    def answered(self, now: float, elapsed: float, size: int) -> None:
        """Note the time of a request of ``size`` characters, with none of the other kind in flight."""
        if not 0.0 <= elapsed <= MAX_ELAPSED_S:
            elapsed = min(max(elapsed, 0.0), MAX_ELAPSED_S)
        if not self._ceiling.is_open:
            self._ceiling.answered(now, elapsed)
            self._update()
        if self._queue is not None:
            self._queue.answered(now, elapsed, min(max(size, 0), MAX_CHARACTERS), self.slots)
            self._update()

    def overloaded(self, now: float, sent_at: float, in_flight: int) -> None:
        """Note a 429, a 503 or a failed connection. ``in_flight``: the number of other requests."""
        self._ceiling.failed(now, sent_at, in_flight)
        self._update()

    def _update(self) -> None:
        slots = self.most if self._ceiling.is_open else self._ceiling.slots
        self.slots = slots if self._queue is None or slots < self._queue.slots else self._queue.slots
