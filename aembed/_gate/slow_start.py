"""Slow start: the requests allowed in flight before answers have shown that the server admits more. Pure.

When a limit is reached, the requests in flight are rejected together. So their number begins small and grows with the
answers, and begins again where the server may close: once about as much was admitted as before it closed last.
"""

from __future__ import annotations

from aembed._gate.quotas import Quotas

FIRST_REQUESTS = 2
"""Requests sent before the first answer; answers allow more, so that a small quota is not overrun unseen."""
HIDDEN_GROWTH_REQUESTS = 0.25
"""Requests more that each answer allows while a limit may be hidden and no 429 has come: the requests in flight are
rejected together when it is reached, and by then they are a fifth of all that were admitted, instead of half."""
STATED_GROWTH_REQUESTS = 0.5
"""The same where limits are stated, or 429s have come: the server may count them by a few seconds."""
REPORTED_GROWTH_REQUESTS = 1.0
"""The same where replies report the limits."""


class SlowStart:
    """``requests`` are allowed in flight."""

    def __init__(self) -> None:
        self.requests = float(FIRST_REQUESTS)
        self._has_closed = False
        self._nears_closure = False

    def closed(self) -> None:
        """The server rejects requests: begin again."""
        self.requests = float(FIRST_REQUESTS)
        self._has_closed, self._nears_closure = True, False

    def answered(self, now: float, quotas: Quotas) -> None:
        """A request has succeeded: allow more, or begin again where the server closed before."""
        if quotas.are_known:  # they hold the others back
            self.requests += REPORTED_GROWTH_REQUESTS if quotas.are_reported else STATED_GROWTH_REQUESTS
        elif self._nears_closure or not self._has_closed:
            self.requests += HIDDEN_GROWTH_REQUESTS
        elif quotas.pace.is_even or not quotas.episodes.nears_closure(now):  # an even flow sends one at a time anyway
            self.requests += STATED_GROWTH_REQUESTS
        else:
            self._nears_closure = True
            self.requests = float(FIRST_REQUESTS)
