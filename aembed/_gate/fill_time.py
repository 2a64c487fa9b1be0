"""Bucket or window? What the headers of replies imply. Pure.

Of a bucket that refills continuously ``reset + remaining / rate`` is the same in every reply, the time it takes to
fill, whatever its size and whoever else draws from it. In a window ``reset`` does not grow as ``remaining`` shrinks, so
that this time moves by as much as ``remaining / rate`` does, or more.
"""

from __future__ import annotations

import math

from aembed._gate.resource import Rule
from aembed._gate.window import WINDOW

SAME = 0.25
"""Fill times are the same if they differ by less than this share of what ``remaining`` has moved."""
LEAST_MOVED = 0.2
"""Seconds of quota by which ``remaining`` must have moved before fill times are compared."""
TELLING = 0.1
"""Share of the quota by which it must have moved before they are held to differ: resets may be in whole seconds."""


class FillTime:
    """``seconds`` an empty bucket takes to fill, as of the last verdict."""

    __slots__ = ("_least", "_longest", "_most", "_shortest", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.forget()

    def forget(self) -> None:
        """The limit is another: what was seen says nothing any more."""
        self._least = self._shortest = math.inf
        self._most = self._longest = -math.inf

    def saw(self, remaining: float, reset: float, rate: float) -> Rule:
        """A reply's word; a verdict once there is enough to compare, and then it all starts again."""
        time = reset + remaining / rate
        self._least, self._most = min(self._least, remaining), max(self._most, remaining)
        self._shortest, self._longest = min(self._shortest, time), max(self._longest, time)
        moved = self._most - self._least
        if moved < max(2.0, LEAST_MOVED * rate):
            return "unknown"
        rule: Rule = "unknown"
        if self._longest - self._shortest <= (SAME * moved + 1) / rate:  # one: remaining is told in whole units
            self.seconds = self._longest
            rule = "bucket"
        elif moved >= TELLING * WINDOW * rate:
            rule = "window"
        if rule != "unknown":
            self.forget()
        return rule
