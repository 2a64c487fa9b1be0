"""What was admitted in the last minute. Pure.

When the server counts a request is not known, only that it has by the time the answer is here: so a request counts
until a minute after its answer.
"""

from __future__ import annotations

import math
from collections import deque

WINDOW = 60.0
"""Seconds. Every provider states its quotas by the minute."""
GRAIN = 0.05
"""Seconds that are counted as one, so that a minute is never more than some 1,200 cells."""


class Cell:
    """What was admitted within ``GRAIN`` seconds; it counts until it ``expires``, a minute after the last answer."""

    __slots__ = ("amount", "expired", "expires", "opened_at", "queries")

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.expires = opened_at + WINDOW
        self.expired = False
        self.amount = self.queries = 0.0


class Window:
    """``used`` in all, and by ``queries`` alone."""

    __slots__ = ("cells", "queries", "since", "used")

    def __init__(self) -> None:
        self.since = 0.0
        """When the first request came after a minute of none."""
        self.cells: deque[Cell] = deque()
        """Oldest first."""
        self.used = self.queries = 0.0

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self.cells)

    def add(self, now: float, amount: float, query: bool = False) -> Cell:
        """Count ``amount``; the window must have been moved on to ``now``."""
        cells = self.cells
        if cells and now - cells[-1].opened_at <= GRAIN:
            cell = cells[-1]
            cell.expires = max(cell.expires, now + WINDOW)
        else:
            if not cells:
                self.since = now
            cell = Cell(now)
            cells.append(cell)
        cell.amount += amount
        self.used += amount
        if query:
            cell.queries += amount
            self.queries += amount
        return cell

    def add_foreign(self, now: float, amount: float, seconds: float = WINDOW) -> None:
        """Count what somebody else has used, for so long."""
        cell = Cell(-math.inf)  # nothing of ours is added to it
        cell.amount, cell.expires = amount, now + seconds
        self.used += amount
        if self.cells and cell.expires < self.cells[0].expires:
            self.cells.appendleft(cell)
        else:
            self.cells.append(cell)

    def correct(self, cell: Cell, delta: float, query: bool = False) -> None:
        """Nothing happens if the cell has expired."""
        if not cell.expired:
            cell.amount += delta
            self.used += delta
            if query:
                cell.queries += delta
                self.queries += delta

    def next_expiry(self, now: float) -> float:
        """When there is more room."""
        return self.cells[0].expires if self.cells else now

    def advance(self, now: float) -> None:
        """Forget what has expired."""
        cells = self.cells
        while cells and cells[0].expires <= now:
            cell = cells.popleft()
            cell.expired = True
            self.used -= cell.amount
            self.queries -= cell.queries
            if not cells:
                self.used = self.queries = 0.0  # what rounding left
