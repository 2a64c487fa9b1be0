"""How much retrying an account may do. Pure."""

from __future__ import annotations

SHARE = 0.2
"""Retries for a first attempt: a failing server gets at most that much more traffic."""
START = 20.0
"""Retries that a new account has, so that a small job may retry too; also the most that is saved up."""


class RetryBudget:
    """First attempts pay in, retries take out. Refusals for speed do not count: the gate paces those."""

    def __init__(self) -> None:
        self._left = START

    def attempted(self) -> None:
        self._left = min(START, self._left + SHARE)

    def take(self) -> bool:
        """True if there is a retry left, and it is taken."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
