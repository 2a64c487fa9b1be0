"""A window that counts a request from when it is sent, answered or not: for a pace that 429s correct. Pure."""

from __future__ import annotations

import math

from aembed._gate.window import MARGIN_S, MINUTE_S, Window, WindowCell


class SentWindow(Window):
    """``margin``: seconds for which entries count beyond the span."""

    __slots__ = ("_copied_at", "margin")

    def __init__(self, span: float = MINUTE_S) -> None:
        super().__init__(span)
        self.margin = 0.0
        self._copied_at = -math.inf

    @classmethod
    def copy(cls, window: Window, span: float, now: float) -> SentWindow:
        """Copy of the entries sent within ``span``; those in flight count from now."""
        copy = cls(span)
        for cell in window.cells:
            if cell.sent_at + span > now:
                copy._append(cell.sent_at, cell.amount, cell.queries)
        if window.under_way:  # when each of them was sent is not recorded: the latest time is safe
            copy.under_way = window.under_way
            copy._append(now, window.flying, 0.0)
            copy._copied_at = now
        return copy

    def sent(self, now: float, amount: float, is_query: bool = False) -> None:
        if not self.under_way and not self.cells:
            self.since = now
        self.under_way += 1
        self._append(now, amount, amount if is_query else 0.0)

    def answered(self, now: float, sent_at: float, amount: float, is_query: bool = False) -> None:
        self.under_way -= 1

    def adjust(self, sent_at: float, delta: float) -> None:
        """The request that was sent then counts ``delta`` more."""
        sent_at = max(sent_at, self._copied_at)  # it was in flight when the copy was made
        for cell in reversed(self.cells):
            if cell.opened_at <= sent_at:  # the only cell that may hold it
                if sent_at <= cell.sent_at:
                    delta = max(delta, -cell.amount)
                    cell.amount += delta
                    self.used += delta
                return

    def widen(self, seconds: float) -> None:
        """Raise the margin, also of present entries."""
        self.margin += seconds
        for cell in self.cells:
            cell.expires += seconds

    def resize(self, span: float) -> None:
        """Change the span; forgotten entries do not come back."""
        self.span, self.grain = span, self.grain * span / self.span
        for cell in self.cells:
            cell.expires = self._expires(cell.sent_at)

    def forget(self, before: float) -> None:
        """Count only what was sent from then on: the server has begun a new window."""
        while self.cells and self.cells[0].opened_at < before:
            cell = self.cells.popleft()
            self.used -= cell.amount
            self.others -= cell.queries

    def _append(self, sent_at: float, amount: float, queries: float) -> None:
        if self.cells and 0 <= sent_at - self.cells[-1].opened_at <= self.grain:
            cell = self.cells[-1]
        else:
            cell = WindowCell(sent_at)
            self.cells.append(cell)
        cell.sent_at, cell.expires = sent_at, self._expires(sent_at)
        cell.amount += amount
        cell.queries += queries
        self.used += amount
        self.others += queries

    def _expires(self, sent_at: float) -> float:
        return sent_at + self.span + self.margin + MARGIN_S
