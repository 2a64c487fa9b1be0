"""The end of a fixed window, at which the resets of several replies agree. Pure.

In a sliding window the last request is the last to expire, so that the end moves with each; in a bucket each request
takes time to refill, and the end moves by that.
"""

from __future__ import annotations

import math

MIN_REPLIES = 3
"""Replies, each to a request sent after the first of them came, that must agree on one end."""
MIN_RESET_S = 5.0
"""Shortest reset that counts, in seconds: an even flow loses little in shorter windows."""
ROUNDING_S, WHOLE_SECONDS_S = 0.01, 1.0
"""Error of a reset; a whole number is probably rounded."""
CERTAINTY_RATIO = 2.0
"""Ratio of the movement a bucket would show to the uncertainty of the end."""


class WindowEnd:
    """``latest`` is the latest time at which the window may end."""

    __slots__ = ("_earliest", "_first_now", "_is_long", "_is_rejected", "_least", "_most", "_off", "_replies", "latest")

    def __init__(self) -> None:
        self._is_rejected = False
        self._begin()

    def _begin(self) -> None:
        self._earliest, self.latest = -math.inf, math.inf
        self._first_now = math.inf
        self._off, self._is_long = 0.0, False
        self._least, self._most = math.inf, -math.inf
        self._replies = 0

    def reject(self) -> None:
        """Stop looking: the window did not end at its presumed end."""
        self._is_rejected = True

    def saw(self, sent_at: float, now: float, remaining: float, reset: float, rate: float) -> bool:
        """True if all replies so far agree on one end."""
        if now >= self.latest:
            self._begin()
        off = WHOLE_SECONDS_S if reset == int(reset) else ROUNDING_S
        if off > self._off:
            self._off = off
        earliest, latest = sent_at + reset - off, now + reset + off
        if earliest > self.latest or latest < self._earliest:
            self._begin()
            self._off = off
        if earliest > self._earliest:
            self._earliest = earliest
        if latest < self.latest:
            self.latest = latest
        if remaining < self._least:
            self._least = remaining
        if remaining > self._most:
            self._most = remaining
        self._is_long = self._is_long or reset >= MIN_RESET_S
        if now < self._first_now:
            self._first_now = now
        self._replies += sent_at > self._first_now + 2 * self._off
        moved = self._most - self._least
        if self._is_rejected or self._replies < MIN_REPLIES or not self._is_long:
            return False
        return moved >= 2 + CERTAINTY_RATIO * rate * (self.latest - self._earliest)
