"""What documents leave of a quota to queries, so that queries hardly wait beside bulk. Pure.

Other programs on the same quota are no documents either: what they will take is left to them, or they would take it
from the queries.
"""

from __future__ import annotations

import math

from aembed._gate.window import MINUTE_S, Window

MAX_SHARE = 0.2
"""Of a quota, at most, that documents leave to queries which nobody has announced."""
SPREAD = 2.0
"""Standard deviations of a random stream that documents leave room for beyond its mean: 98 % of all minutes. What is
left over at the end of a window is lost, so more would cost more than it saves."""
UNSEEN_QUERIES = 0.5
"""So many are expected in as long a time as none has been seen (Jeffreys' prior of a rate)."""
UNSEEN_SHARE = 0.1
"""Of a quota, at most, for queries of which none has been seen."""
MAX_UNSEEN_S = 10.0
"""After so long without a query nothing is left to queries: what is held back longer delays the next window."""
LOOK_AGAIN_S = 0.5
"""Seconds after which a document looks again if only the reserve keeps it waiting, because the reserve shrinks."""
MIN_WATCHED_S = 1.0
"""A shorter time says nothing of a rate."""


class Reserve:
    """As much as the next span needs if it brings as many queries, and as much use by others, as the last."""

    __slots__ = ("_began", "_last_query", "_least", "_most", "_started", "query")

    def __init__(self) -> None:
        self._least = self._most = 0.0
        self.query = 1.0
        """The usual amount of a query."""
        self._last_query = self._started = -math.inf
        self._began = math.inf
        """When the first query came after a minute without any: they may have become more only now."""

    def set_limit(self, limit: float, share: float | None) -> None:
        """``share``: the part of the quota that the user has set aside for queries."""
        self._least = (share or 0.0) * limit
        self._most = max(MAX_SHARE, share or 0.0) * limit
        if self._last_query == -math.inf:
            self.query = max(1.0, limit / 1000)

    def queried(self, now: float, amount: float) -> None:
        """A query took so much."""
        if now - self._last_query > MINUTE_S:
            self._began = now
        if self._last_query == -math.inf:
            self.query = amount
        self._last_query = now
        self.query += 0.1 * (amount - self.query)

    def until_room(self, now: float, seen: Window, window: Window) -> float:
        """What documents leave in ``window`` until enough of them expire, at the rate of use by others in ``seen``."""
        mean, watched = self._rate(now, seen)
        mean *= window.span
        most = mean + self._doubt(mean, window.span / watched)
        seconds, expiring = window.documents_expire(now, most)
        needed = self.until(now, seen, seconds, expiring)
        if seen.others > 0:  # or each query waits for a document to expire
            needed = max(needed, min(self.query, self._most))
        return needed

    def until(self, now: float, seen: Window, seconds: float, expiring: float = 0.0) -> float:
        """What documents leave for so many ``seconds``, in which ``expiring`` of the queries makes room again.

        Whole units: of a small quota that is less than one query, and documents may use all of it.
        """
        rate, watched = self._rate(now, seen)
        mean = rate * seconds
        needed = mean + self._doubt(mean, seconds / watched) - expiring
        if not seen.others > 0:
            needed = min(mean, UNSEEN_SHARE / MAX_SHARE * self._most)
        return float(int(min(max(needed, self._least - max(0.0, seen.others), 0.0), self._most)))

    def _rate(self, now: float, seen: Window) -> tuple[float, float]:
        """Units a second that others use, and the seconds in which that was seen."""
        if self._started == -math.inf:
            self._started = now
        if not seen.others > 0:
            quiet = max(MIN_WATCHED_S, now - max(self._started, self._last_query))
            return 0.0 if quiet > MAX_UNSEEN_S else UNSEEN_QUERIES * self.query / quiet, quiet
        watched = seen.watched(now) if now < self._began else min(seen.watched(now), now - self._began)
        watched = max(MIN_WATCHED_S, watched)
        return seen.others / watched, watched

    def _doubt(self, mean: float, longer: float) -> float:
        """Uncertainty of ``mean``, which was seen in a time that is shorter by the factor ``longer``."""
        return SPREAD * math.sqrt(mean * self.query * (1 + longer))
