"""The amount sent within a span of time. Pure.

When a server counts a request is not known, only that it has by the time the answer is here. So a request counts from
the moment it is sent until a span after its answer: that is safe wherever between the two the server counts it.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush

MINUTE_S = 60.0
MAX_CELLS = 1200
"""Most cells of a span, so that memory does not grow with the number of requests."""
MARGIN_S = 1e-6
"""Beyond the span: a server may count an entry that is exactly one span old, and rounding must not decide."""
USUAL_WINDOWS_S, FILLED_SHARE = (1.0, 5.0, 10.0, 15.0, 20.0, 30.0), 0.75
"""Lengths of documented windows, and the share of one that whole batches fill at least."""


def usual_window_s(span: float) -> float:
    """The documented length that a window of ``span`` seconds may have, if whole batches have nearly filled it."""
    return next((usual for usual in USUAL_WINDOWS_S if usual * FILLED_SHARE <= span <= usual), span)


class WindowCell:
    """Requests answered within one moment; they count until ``expires``."""

    __slots__ = ("amount", "expires", "opened_at", "queries", "sent_at")

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.sent_at = -math.inf
        """Time at which the last of them was sent."""
        self.expires = -math.inf
        self.amount = self.queries = 0.0


class Window:
    """``used`` in all; ``others`` is the part that documents did not use: queries, and other programs."""

    __slots__ = (
        "cells",
        "flying",
        "foreign",
        "foreign_rated",
        "foreign_used",
        "grain",
        "others",
        "since",
        "span",
        "under_way",
        "used",
    )

    def __init__(self, span: float = MINUTE_S) -> None:
        self.span = span
        self.grain = span / MAX_CELLS
        self.since = 0.0
        """Time of the first request after a span without any."""
        self.under_way = 0
        self.flying = 0.0
        """Amount of the requests under way."""
        self.cells: deque[WindowCell] = deque()
        """Answered requests, oldest first."""
        self.foreign: list[tuple[float, float, float]] = []
        """Use by other programs: time of expiry, amount, and the part from which their rate is estimated."""
        self.foreign_used = self.foreign_rated = 0.0
        """Sums of those amounts and parts."""
        self.used = self.others = 0.0

    def sent(self, now: float, amount: float, is_query: bool = False) -> None:
        """Count a request from now on; the window must have been moved on to ``now``."""
        if not self.under_way and not self.cells:
            self.since = now
        self.under_way += 1
        self.flying += amount
        self.used += amount
        if is_query:
            self.others += amount

    def correct(self, delta: float, is_query: bool = False) -> None:
        """A request in flight is larger than estimated."""
        self.flying += delta
        self.used += delta
        if is_query:
            self.others += delta

    def answered(self, now: float, sent_at: float, amount: float, is_query: bool = False) -> None:
        """A request of this amount is not in flight any more, and counts for another span."""
        self.under_way -= 1
        self.flying = self.flying - amount if self.under_way else 0.0
        if not amount:
            return
        cells = self.cells
        cell = cells[-1] if cells else None
        if cell is None or not 0 <= now - cell.opened_at <= self.grain:
            cell = WindowCell(now)
            cells.append(cell)
        expires = now + self.span + MARGIN_S
        if expires > cell.expires:
            cell.expires = expires
        if sent_at > cell.sent_at:
            cell.sent_at = sent_at
        cell.amount += amount
        if is_query:
            cell.queries += amount

    def add_foreign(self, now: float, amount: float, seconds: float, *, is_recent: bool = True) -> None:
        """Count what other programs have used, for ``seconds``; what ``is_recent`` says something of their rate."""
        counted = amount if is_recent else 0.0
        heappush(self.foreign, (now + seconds, amount, counted))
        self._add_foreign(amount, counted)

    def drop_foreign(self, amount: float) -> None:
        """Count so much less of what other programs have used, the next to expire first."""
        while self.foreign and amount > 0:
            expires, used, counted = heappop(self.foreign)
            rest = max(0.0, used - amount)
            if rest:
                heappush(self.foreign, (expires, rest, counted * rest / used))
            self._add_foreign(rest - used, counted * (rest / used - 1))
            amount -= used

    def _add_foreign(self, amount: float, counted: float) -> None:
        self.used += amount
        self.others += counted
        self.foreign_used += amount
        self.foreign_rated += counted

    @property
    def own(self) -> float:
        """The part that this program has used."""
        return self.used - self.foreign_used

    def watched(self, now: float) -> float:
        """Seconds of the last span in which the use by others would have been seen."""
        return min(self.span, now - self.since)

    def next_expiry(self, now: float) -> float:
        """When there is more room; with all in flight that is not before an answer comes."""
        own = self.cells[0].expires if self.cells else now + self.span
        return min(own, self.foreign[0][0]) if self.foreign else own

    def left_over(self, now: float, capacity: float, amount: float) -> tuple[float, float]:
        """When ``amount`` fits into ``capacity``, and the part that is still free then: it may be used now.

        An entry of now expires later. Those in flight, and those of other programs, are not waited for.
        """
        room, when = capacity - self.used - amount, now
        for cell in self.cells:
            if room >= 0:
                break
            room += cell.amount
            when = cell.expires
        return when, max(0.0, room)

    def documents_expire(self, now: float, amount: float) -> tuple[float, float]:
        """Seconds until ``amount`` of documents has expired, and the use by others that expires by then.

        Other programs are assumed to have used the quota evenly: their entries are too many to look at each.
        """
        queries, seconds = 0.0, self.span
        for cell in self.cells:
            amount -= cell.amount - cell.queries
            queries += cell.queries
            if amount <= 0:
                seconds = max(0.0, cell.expires - now)
                break
        return seconds, queries + self.foreign_rated * min(1.0, seconds / self.span)

    def advance(self, now: float) -> None:
        """Forget expired entries."""
        cells, foreign = self.cells, self.foreign
        while cells and cells[0].expires <= now:
            cell = cells.popleft()
            self.used -= cell.amount
            self.others -= cell.queries
        while foreign and foreign[0][0] <= now:
            _, amount, counted = heappop(foreign)
            self._add_foreign(-amount, -counted)
        if not cells and not foreign and not self.under_way:
            self.used = self.others = self.foreign_used = self.foreign_rated = 0.0  # rounding must not add up over days
