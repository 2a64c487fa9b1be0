"""What was admitted in the last minute. Pure.

When the server counts a request is not known, only that it has by the time the answer is here: so a request counts
from when it is sent until a minute after its answer.
"""

from __future__ import annotations

import math
from collections import deque

WINDOW = 60.0
"""Seconds. Every provider states its quotas by the minute."""
GRAIN = 0.05
"""Seconds that are counted as one, so that a minute is never more than some 1,200 cells."""


class Cell:
    """What was answered within ``GRAIN`` seconds; it counts until it ``expires``, a minute after the last of it."""

    __slots__ = ("amount", "expires", "opened_at", "others")

    def __init__(self, opened_at: float, expires: float) -> None:
        self.opened_at = opened_at
        self.expires = expires
        self.amount = self.others = 0.0


class Window:
    """``used`` in all, and by ``others`` than documents: queries, and what somebody else has sent."""

    __slots__ = ("cells", "closed_at", "opens_at", "others", "since", "under_way", "used")

    def __init__(self) -> None:
        self.since = 0.0
        """When the first request came after a minute of none."""
        self.closed_at = self.opens_at = -math.inf
        """When it was full, so that nothing of others could be seen."""
        self.under_way = 0
        """Requests that are not answered."""
        self.cells: deque[Cell] = deque()
        """Of those that are; oldest first."""
        self.used = self.others = 0.0

    def sent(self, now: float, amount: float, query: bool = False) -> None:
        """Count a request from now on; the window must have been moved on to ``now``."""
        if not self.under_way and not self.cells:
            self.since = now
        self.under_way += 1
        self.correct(amount, query)

    def correct(self, delta: float, query: bool = False) -> None:
        """One that is under way is larger than was thought."""
        self.used += delta
        if query:
            self.others += delta

    def answered(self, now: float, amount: float, query: bool = False) -> None:
        """A request that took ``amount`` is not under way any more, and counts for another minute."""
        self.under_way -= 1
        cells = self.cells
        if cells and now - cells[-1].opened_at <= GRAIN:
            cell = cells[-1]
            cell.expires = now + WINDOW
        else:
            cell = Cell(now, now + WINDOW)
            cells.append(cell)
        cell.amount += amount
        if query:
            cell.others += amount

    def add_foreign(self, now: float, amount: float, seconds: float = WINDOW, *, just_now: bool = True) -> None:
        """Count what somebody else has used, for so long. If it was not ``just_now``, it tells nothing of a rate."""
        cell = Cell(now - WINDOW, now + seconds)  # so long ago that nothing of ours is added to it
        cell.amount = amount
        self.used += amount
        if just_now:
            cell.others = amount
            self.others += amount
        if self.cells and cell.expires < self.cells[0].expires:
            self.cells.appendleft(cell)
        else:
            self.cells.append(cell)

    def close(self, now: float, seconds: float) -> None:
        """It is full for so long. The longest time of the last minute is kept in mind."""
        if seconds > self._closed(now):
            self.closed_at, self.opens_at = now, now + seconds

    def watched(self, now: float) -> float:
        """Seconds of the last minute in which others would have been seen."""
        return min(WINDOW, now - self.since) - self._closed(now)

    def _closed(self, now: float) -> float:
        return max(0.0, min(self.opens_at, now) - max(self.closed_at, now - WINDOW))

    def next_expiry(self, now: float) -> float:
        """When there is more room; not before an answer comes if all is under way."""
        return self.cells[0].expires if self.cells else now + WINDOW

    def advance(self, now: float) -> None:
        """Forget what has expired."""
        cells = self.cells
        while cells and cells[0].expires <= now:
            cell = cells.popleft()
            self.used -= cell.amount
            self.others -= cell.others
        if not cells and not self.under_way:
            self.used = self.others = 0.0  # what rounding left
