"""Requests at once beyond which a server fails: it says that it is busy, or its connections break. Pure.

A failure lowers the ceiling to the number still in flight, since the server bears them; one round trip at most halves
it. Afterwards the ceiling follows the curve of CUBIC (RFC 9438) over the time that the server answers: fast back to
where it failed, flat around it, then ever faster, until it limits nothing.
"""

from __future__ import annotations

import math

from aembed._gate.failure_trial import FailureTrial

GROWTH_SLOTS_PER_S3 = 0.4
"""C of RFC 9438, section 5: from 1 to 1,000 slots takes 14 s, and around the last failure about one slot a second."""
MIN_LEFT_SHARE = 0.5
"""Smallest share of the slots that one round trip of failures leaves: a restart may have caused them."""
MAX_SILENCE_S = 1.0
"""Longest time between two answers that counts as health, unless answers take longer."""


class FailureCeiling:
    """``slots``: ``most`` while the server is healthy."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._slots: float = most
        self._failed_at: float = most
        """Slots at the last failure that followed an answer: the curve is flat there."""
        self._lowest: float = most
        """Slots after the last failure, where the curve begins."""
        self._healthy_s = 0.0
        """Seconds of health since the last failure."""
        self._floor = 1.0
        self._lowered_at = -math.inf
        self._last_answer = -math.inf
        self._has_answered = True
        """A request sent after the ceiling was lowered was answered."""
        self._trial = FailureTrial()
        self.is_open = True
        """The ceiling limits nothing, and answers need not be noted."""

    @property
    def slots(self) -> int:
        return max(1, int(self._slots) // (2 if self._trial.running else 1))

    def answered(self, now: float, elapsed: float) -> None:
        """A request took ``elapsed`` seconds."""
        was_running = self._trial.running
        self._trial.answered(now, now - elapsed)
        self._lift_after(was_running)
        self._allow_for_clock(now)
        if self._slots < self._most and now - elapsed >= self._lowered_at:
            if self._has_answered:
                self._healthy_s += max(0.0, min(now - self._last_answer, max(elapsed, MAX_SILENCE_S)))
            self._has_answered = True
            self._last_answer = now
            self._recover()
        self.is_open = self._slots >= self._most and self._trial.is_over

    def failed(self, now: float, sent_at: float, in_flight: int) -> None:
        """``in_flight``: requests in flight without this one."""
        self.is_open = False
        self._allow_for_clock(now)
        is_news = sent_at > self._lowered_at
        was_running = self._trial.running
        if self._trial.excuses(now, sent_at, is_episode=is_news and self._has_answered):
            self._lift_after(was_running)
            return
        if is_news:
            if self._has_answered:
                self._failed_at = self._slots
            self._has_answered = False
            self._lowered_at = now
            self._floor = max(1.0, self._slots * MIN_LEFT_SHARE)
            self._slots -= 1.0
        self._slots = self._lowest = max(self._floor, min(self._slots, in_flight))
        self._healthy_s = 0.0

    def _allow_for_clock(self, now: float) -> None:
        """Forget the time of the last failure if the clock was set back to before it."""
        if now < self._lowered_at:
            self._lowered_at = -math.inf

    def _lift_after(self, was_running: bool) -> None:
        if was_running and not self._trial.running and self._trial.unrelated:
            self._slots = self._most

    def _recover(self) -> None:
        back_s = math.cbrt(max(0.0, self._failed_at - self._lowest) / GROWTH_SLOTS_PER_S3)
        grown = self._failed_at + GROWTH_SLOTS_PER_S3 * (self._healthy_s - back_s) ** 3
        self._slots = min(float(self._most), max(self._slots, grown))
