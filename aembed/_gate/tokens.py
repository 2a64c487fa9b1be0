"""How many tokens a text has before the server has counted them. Pure."""

from __future__ import annotations

FIRST_GUESS = 0.25
"""Tokens in a character, of English under a subword tokenizer."""
WEIGHT = 0.1
"""Of the latest reply, once there have been some."""
DEARER, CHEAPER = 1.1, 0.9995
"""What a refusal and an answer do to the guess where replies tell no usage: about one refusal in 200 answers."""
MOST = 4.0
"""Tokens in a character, at most: a letter of any script is a few bytes."""


class TokenRatio:
    """Tokens in a character, as replies show it."""

    __slots__ = ("_replies", "value")

    def __init__(self) -> None:
        self.value = FIRST_GUESS
        self._replies = 0

    def answered(self, tokens: float | None, characters: int) -> None:
        """A reply to a request of so many characters, with the server's count if it tells it."""
        if tokens is not None and tokens > 0:
            self._replies += 1
            weight = WEIGHT if self._replies * WEIGHT > 1 else 1 / self._replies
            self.value += weight * (tokens / characters - self.value)
        elif not self._replies and self.value > FIRST_GUESS:
            self.value = max(FIRST_GUESS, self.value * CHEAPER)

    def refused(self) -> None:
        """Too fast, although a quota of tokens is known: perhaps they were guessed too few."""
        if not self._replies:
            self.value = min(MOST, self.value * DEARER)
