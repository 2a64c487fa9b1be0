"""Reserve: the part of a quota that documents leave to queries, so that queries hardly wait during bulk work. Pure.

Only as much is reserved as queries may need until there is room again: at the end of a window, documents get the rest.
Other programs on the same quota count like queries, or they would take the part reserved for those.
"""

from __future__ import annotations

import math

from aembed._gate.window import MINUTE_S, Window

MAX_RESERVE_SHARE = 0.2
"""Largest reserve as a share of the quota, unless the user sets a larger ``query_share``."""
SPREAD_DEVIATIONS = 2.0
"""Standard deviations that the reserve adds to the mean: enough for 98 % of all windows."""
FIXED_SPREAD_DEVIATIONS = 3.0
"""The same in a fixed window, which ends at once: what queries leave over, documents use just before that."""
UNSEEN_QUERIES = 0.5
"""Queries expected in a time in which none came, for as long a time to come (Jeffreys' prior of a rate)."""
UNSEEN_RESERVE_SHARE = 0.1
"""Largest reserve, as a share of the quota, while no query has come."""
MAX_UNSEEN_S = 10.0
"""Seconds without a query that end the reserve: documents held back longer would delay the next window as well."""
MAX_UNRESERVED_S = 1.0
"""Longest time until there is room, or length of a window, for which documents leave nothing to queries: those are
next as soon as there is room, and a reserve would be a whole batch where few of them fill a window."""
LOOK_AGAIN_S = 0.5
"""Seconds after which a document looks again if only the reserve keeps it waiting, because the reserve shrinks."""
MIN_WATCHED_S = 1.0
"""Shortest time from which a rate is estimated."""
TYPICAL_QUERIES = 1000.0
"""Queries that a minute's quota holds, assumed until the first one shows its amount; too few reserve too much."""


class Reserve:
    """An estimate from the use by others, queries and other programs, in the last minute."""

    __slots__ = ("_began", "_last_query", "_least", "_most", "_started", "query")

    def __init__(self) -> None:
        self._least = self._most = 0.0
        self.query = 1.0
        """Average amount of recent queries."""
        self._last_query = self._started = -math.inf
        self._began = math.inf
        """Time of the first query after a minute without any: the rate counts from then."""

    def set_limit(self, limit: float, share: float | None) -> None:
        """Set the bounds; ``share`` is the ``query_share`` of the user."""
        self._least = (share or 0.0) * limit
        self._most = max(MAX_RESERVE_SHARE, share or 0.0) * limit
        if self._last_query == -math.inf:
            self.query = max(1.0, limit / TYPICAL_QUERIES)

    def queried(self, now: float, amount: float) -> None:
        """Count a query."""
        if now - self._last_query > MINUTE_S:
            self._began = now
            if self._last_query == -math.inf:
                self.query = amount
        self._last_query = now
        self.query += 0.1 * (amount - self.query)  # an exponential mean of about ten queries

    def until_room(self, now: float, seen: Window, window: Window) -> float:
        """Amount that documents leave in ``window`` until enough of them expire. ``seen`` has the use by others."""
        if not seen.others > 0:
            return self.until(now, seen, window.span)
        mean, watched = self._rate(now, seen)
        mean *= window.span
        most = mean + self._doubt(mean, window.span / watched)
        seconds, expiring = window.documents_expire(now, most)
        # One at least, or each query waits until a document expires, unless that is soon.
        one = min(self.query, self._most) if seconds > MAX_UNRESERVED_S else 0.0
        return max(one, self.until(now, seen, seconds, expiring))

    def until_end(self, now: float, seen: Window, seconds: float) -> float:
        """Amount that documents leave until a fixed window ends. In whole units, rounded up: a query may be next."""
        needed = self._least - max(0.0, seen.others)
        if seconds > MAX_UNRESERVED_S:
            if not seen.others > 0:
                return self.until(now, seen, seconds)
            rate, watched = self._rate(now, seen)
            mean = rate * seconds
            needed = max(needed, mean + self._doubt(mean, seconds / watched, FIXED_SPREAD_DEVIATIONS))
        return float(min(math.ceil(max(0.0, needed)), int(self._most)))

    def until(self, now: float, seen: Window, seconds: float, expiring: float = 0.0) -> float:
        """Amount that documents leave for so many ``seconds``, in which ``expiring`` of the queries makes room again.

        In whole units: in a small quota less than one query is expected, and documents may use all of it.
        """
        rate, watched = self._rate(now, seen)
        mean = rate * seconds
        if seen.others > 0:
            needed = mean + self._doubt(mean, seconds / watched) - expiring
        else:
            needed = min(mean, UNSEEN_RESERVE_SHARE / MAX_RESERVE_SHARE * self._most)
        return float(int(min(max(needed, self._least - max(0.0, seen.others), 0.0), self._most)))

    def _rate(self, now: float, seen: Window) -> tuple[float, float]:
        """Units a second that others use, and the seconds in which they were counted."""
        if self._started == -math.inf:
            self._started = now
        if not seen.others > 0:
            quiet = max(MIN_WATCHED_S, now - max(self._started, self._last_query))
            return 0.0 if quiet > MAX_UNSEEN_S else UNSEEN_QUERIES * self.query / quiet, quiet
        watched = seen.watched(now) if now < self._began else min(seen.watched(now), now - self._began)
        watched = max(MIN_WATCHED_S, watched)
        return seen.others / watched, watched

    def _doubt(self, mean: float, longer: float, deviations: float = SPREAD_DEVIATIONS) -> float:
        """Margin above ``mean``, which was measured in a time shorter by the factor ``longer``."""
        return deviations * math.sqrt(mean * self.query * (1 + longer))
