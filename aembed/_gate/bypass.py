"""Queries continue while documents pause after a 429. Pure.

A server's Retry-After says when the rejected request fits. A query of a few tokens may fit at once where a batch of
documents does not: one is tried during the pause, and if it succeeds, others follow. A 429 to a query shows that the
server is closed to all, until documents succeed again.
"""

from __future__ import annotations

from aembed._gate.reservation import Reservation

MAX_QUERY_SHARE = 0.1
"""Largest query that is tried, as a share of the tokens of the smallest rejected document."""


class Bypass:
    """``is_proven``: a query has succeeded during the pause."""

    __slots__ = ("_is_refuted", "_rejected_tokens", "is_proven", "trial")

    def __init__(self) -> None:
        self.trial: Reservation | None = None
        """The query in flight that is tried."""
        self.end()

    def end(self) -> None:
        """Note that documents succeed again."""
        self.is_proven = self._is_refuted = False
        self._rejected_tokens = 0.0
        """Tokens of the smallest rejected document; 0 before the first."""

    def close(self) -> None:
        """Let no query pass until documents succeed again."""
        self.is_proven, self._is_refuted = False, True

    def rejected(self, reservation: Reservation) -> None:
        """Note a 429."""
        if reservation.kind == "query":
            self.close()
        elif not self._rejected_tokens or reservation.tokens < self._rejected_tokens:
            self._rejected_tokens = reservation.tokens

    def spares(self, reservation: Reservation) -> bool:
        """True if the pause may not concern such a request."""
        is_small = self._rejected_tokens > 0 and reservation.tokens <= MAX_QUERY_SHARE * self._rejected_tokens
        return is_small and reservation.kind == "query" and not self._is_refuted

    def allows(self, reservation: Reservation) -> bool:
        """True if it may be sent now."""
        return self.spares(reservation) and (self.is_proven or self.trial is None)

    def sent(self, reservation: Reservation) -> None:
        """Note that a query is sent during the pause."""
        if not self.is_proven:
            self.trial = reservation

    def succeeded(self) -> None:
        """Note that the trial has succeeded: other queries follow."""
        self.trial = None
        self.is_proven = not self._is_refuted

    def failed(self, *, is_cancelled: bool) -> None:
        """Note that the trial has failed; if it was cancelled, another query takes its place."""
        self.trial = None
        if not is_cancelled:
            self.close()
