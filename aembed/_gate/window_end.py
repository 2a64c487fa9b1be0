"""When a fixed window ends: resets of different replies all point at the same moment. Pure.

In a sliding window the last request is the last to expire, so that the end moves with each; in a bucket each request
takes time to refill, and the end moves by that.
"""

from __future__ import annotations

import math

MIN_REPLIES = 3
MIN_RESET_S = 15.0
"""A window that ends sooner need not be known: an even flow lags behind by no more."""
ROUNDING_S, WHOLE_SECONDS_S = 0.01, 1.0
"""By which a reset may be off; a whole number is probably rounded."""
CERTAIN = 2.0
"""The end of a bucket must have moved by so many times the time within which the end is known."""


class WindowEnd:
    """``latest`` is when the window has ended for sure."""

    __slots__ = ("_earliest", "_first_now", "_is_rejected", "_least", "_longest", "_most", "_off", "_replies", "latest")

    def __init__(self) -> None:
        self._is_rejected = False
        self._begin()

    def _begin(self) -> None:
        self._earliest, self.latest = -math.inf, math.inf
        self._first_now = math.inf
        self._longest = self._off = 0.0
        self._least, self._most = math.inf, -math.inf
        self._replies = 0

    def reject(self) -> None:
        """The window was not whole again at its end: it is none, whatever replies say from now on."""
        self._is_rejected = True

    def saw(self, sent_at: float, now: float, remaining: float, reset: float, rate: float) -> bool:
        """Whether it is a fixed window, by all replies that point at this end."""
        if self._is_rejected or now >= self.latest:
            self._begin()
        off = WHOLE_SECONDS_S if reset == int(reset) else ROUNDING_S
        self._off = max(self._off, off)
        earliest, latest = sent_at + reset - off, now + reset + off
        if earliest > self.latest or latest < self._earliest:
            self._begin()
            self._off = off
        self._earliest, self.latest = max(self._earliest, earliest), min(self.latest, latest)
        self._least, self._most = min(self._least, remaining), max(self._most, remaining)
        self._longest = max(self._longest, reset)
        self._first_now = min(self._first_now, now)
        self._replies += sent_at > self._first_now + 2 * self._off
        moved = self._most - self._least
        if self._is_rejected or self._replies < MIN_REPLIES or self._longest < MIN_RESET_S:
            return False
        return moved >= 2 + CERTAIN * rate * (self.latest - self._earliest)
