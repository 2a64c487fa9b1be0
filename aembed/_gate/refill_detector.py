"""Bucket or window? What the headers of replies imply. Pure.

A bucket refills continuously, so ``reset + remaining / rate`` is the same in every reply: the time it takes to fill,
independent of its size and of other programs. In a window ``reset`` does not grow as ``remaining`` shrinks, so
that this time moves by as much as ``remaining / rate`` does, or more.
"""

from __future__ import annotations

import math

from aembed._gate.quota import WindowRule
from aembed._gate.window import MINUTE_S

SAME_TIME_SHARE = 0.25
"""Fill times are the same if they differ by less than this share of what ``remaining`` has moved."""
MIN_MOVED_S = 0.2
"""Seconds of quota by which ``remaining`` must have moved before fill times are compared."""
MIN_MOVED_SHARE = 0.1
"""Share of the quota by which it must have moved before they are held to differ: resets may be in whole seconds."""
MIN_MOVED_SHARE_OF_HIGHEST = 0.5
"""The same as a share of the largest amount that remained: a shorter window holds no more than that."""

FILLED_TOLERANCE_SHARE, FILLED_REPLIES, FILLED_S = 0.02, 3, 10.0
"""A bucket that holds a minute's quota takes a minute to fill, to so much; if that is so in so many replies in a row
over so many seconds, it is one. A saturated sliding window looks like it only while nothing remains."""


class RefillDetector:
    """``seconds`` an empty bucket takes to fill, as of the last verdict."""

    __slots__ = ("_highest", "_least", "_longest", "_matches", "_most", "_shortest", "_since", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.forget()

    def forget(self) -> None:
        """Start again: the limit has changed."""
        self._highest = 0.0
        self._begin()

    def _begin(self) -> None:
        self._least = self._shortest = math.inf
        self._most = self._longest = -math.inf
        self._matches, self._since = 0, 0.0

    def saw(self, now: float, remaining: float, reset: float, rate: float) -> WindowRule:
        """Note a reply; return a verdict once there is enough to compare, and start again."""
        remains = remaining / rate
        time = reset + remains
        if self._is_filled(now, remains, time):
            self.seconds = MINUTE_S
            self._begin()
            return "bucket"
        if remaining < self._least:
            self._least = remaining
        if remaining > self._most:
            self._most = remaining
            self._highest = max(self._highest, remaining)
        if time < self._shortest:
            self._shortest = time
        if time > self._longest:
            self._longest = time
        moved = self._most - self._least
        if moved < 2.0 or moved < MIN_MOVED_S * rate:
            return "unknown"
        rule: WindowRule = "unknown"
        if self._longest - self._shortest <= (SAME_TIME_SHARE * moved + 1) / rate:  # one: whole units
            self.seconds = self._longest
            rule = "bucket"
        elif moved >= min(MIN_MOVED_SHARE * MINUTE_S * rate, MIN_MOVED_SHARE_OF_HIGHEST * self._highest):
            rule = "window"
        if rule != "unknown":
            self._begin()
        return rule

    def _is_filled(self, now: float, remains: float, time: float) -> bool:
        if not 0.1 * MINUTE_S < remains < 0.9 * MINUTE_S or abs(time - MINUTE_S) > FILLED_TOLERANCE_SHARE * MINUTE_S:
            self._matches = 0
            return False
        self._matches += 1
        if self._matches == 1:
            self._since = now
        return self._matches >= FILLED_REPLIES and now - self._since >= FILLED_S
