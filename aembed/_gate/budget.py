"""Retry budget of an account: it delays retries after failures, so that they add little traffic. Pure."""

from __future__ import annotations

RETRIES_PER_ATTEMPT = 0.2
"""Retries per first attempt: the additional traffic of a failing server, besides that of ``RETRIES_PER_S``."""
MAX_RETRIES = 20.0
"""Retries that a new account has, so that a small job may retry too; also the most that accumulate."""
RETRIES_PER_S = 1.0
"""Retries per second that time alone allows: the budget delays a batch and never fails it."""


class RetryBudget:
    """First attempts and time pay in, retries take out. 429s do not count: the gate paces those."""

    def __init__(self) -> None:
        self._left = MAX_RETRIES
        self._now: float | None = None

    def attempted(self) -> None:
        self._left = min(MAX_RETRIES, self._left + RETRIES_PER_ATTEMPT)

    def take(self, now: float) -> float:
        """Take one retry; returns the seconds until it may be sent."""
        if self._now is not None:
            self._left = min(MAX_RETRIES, self._left + max(0.0, now - self._now) * RETRIES_PER_S)
        self._now = now
        self._left -= 1
        return max(0.0, -self._left / RETRIES_PER_S)
