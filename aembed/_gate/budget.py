"""How much an account may retry after failures. Pure."""

from __future__ import annotations

SHARE = 0.2
"""Retries per first attempt: a failing server gets that much more traffic, and a little more with time."""
START = 20.0
"""Retries that a new account has, so that a small job may retry too; also the most that is saved up."""
A_SECOND = 1.0
"""Retries that time alone allows: a budget makes a batch wait, it never ends one."""


class RetryBudget:
    """First attempts and time pay in, retries take out. 429s do not count: the gate paces those."""

    def __init__(self) -> None:
        self._left = START
        self._now: float | None = None

    def attempted(self) -> None:
        self._left = min(START, self._left + SHARE)

    def take(self, now: float) -> float:
        """Take one retry; returns the seconds until it may be sent."""
        if self._now is not None:
            self._left = min(START, self._left + max(0.0, now - self._now) * A_SECOND)
        self._now = now
        self._left -= 1
        return max(0.0, -self._left / A_SECOND)
