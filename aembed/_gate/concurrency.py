"""How many requests at once a server digests that has no quota, only so much capacity. Pure.

Beyond its capacity more requests at once only wait in the server's own queue, where no query can overtake them. The
time a character takes tells how many of ours wait there: ``slots * (1 - fastest / now)`` by Little's law, with the
fastest time as the one without a queue (the idea of TCP Vegas; Brakmo and Peterson 1995). A few are enough to keep it
busy. Times are compared among requests of similar size only, since every request has a cost of its own as well.
"""

from __future__ import annotations

import math

QUEUED_AT_LEAST, QUEUED_AT_MOST = 1.0, 2.0
"""How many of ours should wait in the server's queue."""
LOOK_AGAIN = 1000
"""Answers after which the slots are halved for a moment, so that the time without a queue is seen again."""
FORGETTING = 1.05
"""By how much the fastest time is raised then: a server that has become slower is seen as it is."""
CLOCK = 0.001
"""Seconds. uvloop's clock is no finer, and nothing shorter can be told apart."""
BACK_OFF = 0.7
"""What is left of the slots when the server says that it is busy."""


class Concurrency:
    """``slots`` moves between one and ``most``, by one after as many answers as there are slots."""

    def __init__(self, most: int, *, adaptive: bool) -> None:
        self.most = most
        self.adaptive = adaptive
        self.slots = min(most, 2) if adaptive else most
        self._fastest: dict[int, float] = {}
        """Seconds for a character, by the magnitude of the request."""
        self._queued = 0.0
        self._answers = 0
        self._until_look = LOOK_AGAIN
        self._resume_with = 0
        """Slots after the moment with half of them."""
        self._reduced_at = -math.inf

    def answered(self, elapsed: float, size: int) -> None:
        """A request of ``size`` characters took ``elapsed`` seconds."""
        if not self.adaptive or size <= 0:
            return
        magnitude = size.bit_length()
        pace = max(elapsed, CLOCK) / size
        fastest = min(self._fastest.get(magnitude, pace), pace)
        self._fastest[magnitude] = fastest
        self._until_look -= 1
        if self._until_look <= 0:
            self._look()
        elif not self._resume_with:
            self._adapt(1.0 - fastest / pace)

    def overloaded(self, now: float, sent_at: float) -> None:
        """The server says that it is busy. All that were sent before it said so first are one refusal."""
        if self.adaptive and sent_at > self._reduced_at:
            self._reduced_at = now
            self._move_to(int(self.slots * BACK_OFF))

    def _adapt(self, share_queued: float) -> None:
        self._queued += self.slots * share_queued
        self._answers += 1
        if self._answers >= self.slots:
            queued = self._queued / self._answers
            self._move_to(self.slots + (queued < QUEUED_AT_LEAST) - (queued > QUEUED_AT_MOST))

    def _look(self) -> None:
        """Begin or end the moment with half the slots: one round to drain the queue, one to see the times without."""
        if self._resume_with:
            self._move_to(self._resume_with)
            self._resume_with = 0
            self._until_look = LOOK_AGAIN
        else:
            self._fastest = {size: pace * FORGETTING for size, pace in self._fastest.items()}
            self._resume_with = self.slots
            self._until_look = 2 * self.slots
            self._move_to(self.slots // 2)

    def _move_to(self, slots: int) -> None:
        self.slots = min(self.most, max(1, slots))
        self._queued, self._answers = 0.0, 0
