"""Estimate of the tokens of a text, before the server has counted them. Pure."""

from __future__ import annotations

FIRST_GUESS = 0.25
"""Tokens in a character, of English under a subword tokenizer."""
WEIGHT = 0.1
"""Weight of the latest reply, after the first ten."""


class TokenRatio:
    """Tokens in a character, as replies show it."""

    __slots__ = ("_replies", "value")

    def __init__(self) -> None:
        self.value = FIRST_GUESS
        self._replies = 0

    def answered(self, tokens: float | None, characters: int) -> None:
        """A reply to a request of so many characters, with the server's count if it reports one."""
        if tokens is not None and tokens > 0:
            self._replies += 1
            weight = WEIGHT if self._replies * WEIGHT > 1 else 1 / self._replies
            self.value += weight * (tokens / characters - self.value)
