"""Estimate of the tokens of a text, before the server has counted them. Pure."""

from __future__ import annotations

TOKENS_PER_CHARACTER = 0.25
"""Tokens in a character, of English under a subword tokenizer."""
MEMORY_REPLIES = 10.0
"""Replies of the largest size whose mean the ratio is: it follows texts that change, and one reply errs little."""


class TokenRatio:
    """Tokens in a character, as replies show it.

    Replies count by their size: usage comes in whole tokens, of which a query has few.
    """

    __slots__ = ("_characters", "_largest", "value")

    def __init__(self) -> None:
        self.value = TOKENS_PER_CHARACTER
        self._characters = self._largest = 0.0

    def answered(self, tokens: float | None, characters: int) -> None:
        """A reply to a request of so many characters, with the server's count if it reports one."""
        if tokens is not None and tokens > 0:
            if characters > self._largest:
                self._largest = characters
            seen, most = self._characters + characters, MEMORY_REPLIES * self._largest
            self._characters = seen if seen < most else most
            self.value += characters / self._characters * (tokens / characters - self.value)
