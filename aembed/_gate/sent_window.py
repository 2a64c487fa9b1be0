"""A window that counts a request from when it is sent, not from its answer: for an estimate that may err. Pure."""

from __future__ import annotations

import math

from aembed._gate.window import MARGIN_S, MINUTE_S, Cell, Window


class SentWindow(Window):
    """``is_safe``: count from the latest time at which the server can have counted.

    The quickest answer so far bounds the way back, so only the time that an answer took longer is in doubt.
    """

    __slots__ = ("_is_safe", "_quickest")

    def __init__(self, span: float = MINUTE_S, *, is_safe: bool = False) -> None:
        super().__init__(span)
        self._is_safe = is_safe
        self._quickest = math.inf

    @classmethod
    def copy(cls, window: Window, span: float, now: float, *, is_safe: bool = False) -> SentWindow:
        """Copy of the entries sent within ``span``."""
        copy = cls(span, is_safe=is_safe)
        copy.under_way, copy.flying = window.under_way, window.flying
        copy.used = window.used - sum(amount for _, amount, _ in window.foreign)
        for cell in window.cells:
            if cell.sent_at + span > now:
                mine = Cell(cell.opened_at)
                mine.sent_at, mine.amount, mine.queries = cell.sent_at, cell.amount, cell.queries
                mine.expires = cell.sent_at + span + MARGIN_S
                copy.cells.append(mine)
            else:
                copy.used -= cell.amount
        return copy

    def resize(self, span: float) -> None:
        """Change the span; forgotten entries do not come back."""
        self.span, self.grain = span, self.grain * span / self.span
        for cell in self.cells:
            cell.expires = cell.sent_at + span + MARGIN_S

    def forget(self) -> None:
        """Count only requests in flight: the server has begun a new window."""
        while self.cells:
            self.used -= self.cells.popleft().amount

    def _expiry(self, now: float, sent_at: float, cell: Cell) -> float:
        elapsed = max(0.0, now - sent_at)
        self._quickest = min(self._quickest, elapsed)
        counted_at = sent_at + elapsed - self._quickest if self._is_safe else sent_at
        return max(cell.expires, counted_at + self.span + MARGIN_S)
