"""Base of flows in bursts: a record of the requests and tokens sent within a window. Pure."""

from __future__ import annotations

from aembed._gate.episode import AdmittedAmounts
from aembed._gate.sent_window import SentWindow
from aembed._gate.window import Window


class BurstFlow:
    """``windows`` have the latest requests and their tokens; of these the last ``span`` seconds count."""

    def __init__(self, now: float, span: float, windows: tuple[Window, Window]) -> None:
        self.span = span
        self._windows = tuple(SentWindow.copy(window, span, now) for window in windows)

    def until_room(self, now: float) -> float:
        """Seconds until the oldest entries expire."""
        window = self._windows[0]
        window.advance(now)
        return max(0.0, window.cells[0].expires - now) if window.cells else 0.0

    def window(self, place: int) -> Window | None:
        return self._windows[place]

    def sent(self, now: float, amounts: AdmittedAmounts, *, is_query: bool) -> None:
        for window, amount in zip(self._windows, amounts, strict=True):
            window.advance(now)
            window.sent(now, amount, is_query)

    def corrected(self, sent_at: float, tokens: float) -> None:
        self._windows[1].adjust(sent_at, tokens)

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        for window, amount in zip(self._windows, amounts, strict=True):
            window.adjust(sent_at, -amount)

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        for window, amount in zip(self._windows, amounts, strict=True):
            window.answered(now, sent_at, amount, is_query)
