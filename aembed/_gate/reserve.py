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

    def queried(self, now: float, amount: float) -> None:
        """A query took so much."""
        if now - self._last_query > MINUTE_S:
            self._began = now
        self._last_query = now
        self.query += 0.1 * (amount - self.query)

    def amount(self, now: float, window: Window) -> float:
        """Whole units. Of a small quota that is less than one query, and documents may use all of it."""
        if self._started == -math.inf:
            self._started = now
        others = max(0.0, window.others)
        seen = others + SPREAD * math.sqrt(others * self.query)
        watched = window.watched(now) if now < self._began else min(window.watched(now), now - self._began)
        expected = seen * window.span / max(MIN_WATCHED_S, watched)
        if not others:
            quiet = max(MIN_WATCHED_S, now - max(self._started, self._last_query))
            unseen = UNSEEN_QUERIES * self.query * window.span / quiet
            expected = 0.0 if quiet > MAX_UNSEEN_S else min(unseen, UNSEEN_SHARE / MAX_SHARE * self._most)
        return float(int(min(max(expected - others, self._least - others, 0.0), self._most)))
