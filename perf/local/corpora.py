"""Seeded texts of known length: every word is one token of the model's vocabulary."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

SPECIAL_TOKENS = 2


class Corpora:
    """Texts from the whole words of a WordPiece vocabulary. The same seed gives the same texts."""

    def __init__(self, vocabulary: Path, *, seed: int, scale: float) -> None:
        entries = vocabulary.read_text(encoding="utf-8").split("\n")
        self._words = [word for word in entries if word.isascii() and word.isalpha() and len(word) > 2]
        self._random = random.Random(seed)
        self._scale = scale

    def short(self) -> list[str]:
        """13 tokens each: questions, titles."""
        return self._texts(13 for _ in range(self._count(2048)))

    def long(self) -> list[str]:
        """200 tokens each: paragraphs, chunks of documents."""
        return self._texts(200 for _ in range(self._count(128)))

    def mixed(self) -> list[str]:
        """From 5 to 240 tokens, lognormal: half below 30, a tail of long ones, in no order."""
        lengths = (round(self._random.lognormvariate(3.4, 0.9)) for _ in range(self._count(640)))
        return self._texts(min(max(length, 5), 240) for length in lengths)

    def queries(self, count: int) -> list[str]:
        """13 tokens each."""
        return self._texts(13 for _ in range(count))

    def _texts(self, lengths: Iterable[int]) -> list[str]:
        return [" ".join(self._random.choices(self._words, k=length - SPECIAL_TOKENS)) for length in lengths]

    def _count(self, full: int) -> int:
        return max(16, round(full * self._scale))
