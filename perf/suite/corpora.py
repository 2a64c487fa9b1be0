"""Seeded texts with the lengths that texts have. The same seed gives the same texts, on every machine and version."""

from __future__ import annotations

import random

LETTERS = "etaoinshrdlcumwfgypbvk"
WEIGHTS = (127, 91, 82, 75, 70, 67, 63, 61, 60, 43, 40, 28, 28, 24, 24, 22, 20, 20, 19, 15, 10, 8)
"""English letters by how often they occur, in thousandths."""
FOREIGN = ("größer", "naïve", "Ελλάδα", "привет", "数据", "検索", "مرحبا", "नमस्ते", "🙂", "e\u0301clair")
VOCABULARY = 5000

SMALL, MEDIUM, LARGE = 47, 133, 2300
"""Characters: a question, a paragraph, a page."""


class Corpus:
    """Made-up words, some far more frequent than others, put together into texts."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = random.Random(seed)
        lengths = (min(14, max(2, round(self._dice.lognormvariate(1.5, 0.45)))) for _ in range(VOCABULARY))
        self._words = ["".join(self._dice.choices(LETTERS, WEIGHTS, k=length)) for length in lengths]
        self._shares = [1 / rank for rank in range(1, VOCABULARY + 1)]  # Zipf's law

    def words(self, count: int) -> str:
        """A text of so many words."""
        return " ".join(self._dice.choices(self._words, self._shares, k=count))

    def characters(self, count: int) -> str:
        """A text of so many characters."""
        text = self.words(count // 3 + 1)
        while len(text) < count:
            text += " " + self.words(10)
        return text[: count - 1] + "."

    def queries(self, count: int) -> list[str]:
        """3 to 12 words."""
        return [self.words(self._dice.randint(3, 12)) for _ in range(count)]

    def documents(self, count: int) -> list[str]:
        """5 to 400 words, half below 60; one in ten with words of other scripts, one in twenty a copy of another."""
        texts: list[str] = []
        for _ in range(count):
            if texts and self._dice.random() < 0.05:
                texts.append(self._dice.choice(texts))
                continue
            text = self.words(min(400, max(5, round(self._dice.lognormvariate(4.1, 0.8)))))
            if self._dice.random() < 0.1:
                text = " ".join((text, *self._dice.choices(FOREIGN, k=3)))
            texts.append(text)
        return texts

    def of_length(self, characters: int, count: int) -> list[str]:
        """All different, of so many characters."""
        return [self.characters(characters) for _ in range(count)]

    def of_words(self, least: int, most: int, count: int) -> list[str]:
        """Texts of ``least`` to ``most`` words."""
        return [self.words(self._dice.randint(least, most)) for _ in range(count)]
