"""How many requests at once a server digests that has no quota, only so much capacity. Pure.

Beyond its capacity more requests at once only wait in the server's own queue, where no query can overtake them. The
time a character takes tells how many of ours wait there: ``slots * (1 - fastest / now)`` by Little's law, with the
fastest time as the one without a queue (the idea of TCP Vegas; Brakmo and Peterson 1995). A few are enough to keep it
busy. Times are compared among requests of similar size only, since every request has a cost of its own as well.
"""

from __future__ import annotations

FEWEST = 2
QUEUED_AT_LEAST, QUEUED_AT_MOST = 1.0, 2.0
"""How many of ours should wait in the server's queue."""
FORGETTING = 1.002
"""By how much the fastest time grows with each answer, so that a server that became slower is seen as it is."""
BACK_OFF = 0.7
"""What is left of the slots when the server says that it is busy."""


class Concurrency:
    """``slots`` moves between two and ``most``, by one after as many answers as there are slots."""

    def __init__(self, most: int, *, adaptive: bool) -> None:
        self.most = most
        self.adaptive = adaptive
        self._fewest = float(min(most, FEWEST))
        self._slots = self._fewest if adaptive else float(most)
        self._fastest: dict[int, float] = {}
        """Seconds for a character, by the magnitude of the request."""
        self._queued = 0.0
        self._answers = 0
        self._reduced_at = 0.0

    @property
    def slots(self) -> int:
        return int(self._slots)

    def answered(self, elapsed: float, size: int) -> None:
        """A document request of ``size`` characters took ``elapsed`` seconds."""
        if not self.adaptive or elapsed <= 0 or size <= 0:
            return
        pace = elapsed / size
        magnitude = size.bit_length()
        fastest = min(self._fastest.get(magnitude, pace) * FORGETTING, pace)
        self._fastest[magnitude] = fastest
        self._queued += self._slots * (1.0 - fastest / pace)
        self._answers += 1
        if self._answers >= self._slots:
            queued = self._queued / self._answers
            step = (queued < QUEUED_AT_LEAST) - (queued > QUEUED_AT_MOST)
            self._slots = min(float(self.most), max(self._fewest, self._slots + step))
            self._queued, self._answers = 0.0, 0

    def overloaded(self, now: float, sent_at: float) -> None:
        """The server says that it is busy. All that were sent before it said so first are one refusal."""
        if self.adaptive and sent_at >= self._reduced_at:
            self._reduced_at = now
            self._slots = max(self._fewest, self._slots * BACK_OFF)
