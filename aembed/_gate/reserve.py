"""What documents leave of a quota to queries, so that those hardly wait beside bulk. Pure.

Somebody else on the same quota is no document either: what they will take is left to them, for they would take it from
the queries.
"""

from __future__ import annotations

import math

from aembed._gate.window import WINDOW, Window

QUERY_SHARE = 0.01
"""Share of a quota that documents leave to queries while there are none."""
QUERY_SPREAD = 3.0
"""Standard deviations of a random stream of queries, and of others, that documents leave room for beyond its mean."""
MOST_RESERVED = 0.2
"""Share of a quota, at most, that documents leave to queries."""
LEAST_SEEN = 10.0
"""Seconds that tell something about the next minute."""


class Reserve:
    """As much as the next minute needs if it brings as many queries, and as much from others, as the last."""

    __slots__ = ("_least", "_most", "_query")

    def __init__(self) -> None:
        self._least = self._most = 0.0
        self._query = 1.0
        """The usual amount of a query."""

    def set_limit(self, limit: float) -> None:
        self._least = float(int(QUERY_SHARE * limit))
        self._most = MOST_RESERVED * max(1.0, limit)

    def queried(self, amount: float) -> None:
        """A query took so much."""
        self._query += 0.1 * (amount - self._query)

    def amount(self, now: float, window: Window, *, bucket: bool = False) -> float:
        """Whole units. Of a ``bucket`` always a query's: that costs its time once, and not in every minute."""
        if not window.others:
            return max(self._least, math.ceil(self._query)) if bucket else self._least
        expected = window.others * WINDOW / max(LEAST_SEEN, window.watched(now))
        expected += QUERY_SPREAD * math.sqrt(expected * self._query)
        return float(int(min(max(expected, self._least) - window.others, self._most)))
