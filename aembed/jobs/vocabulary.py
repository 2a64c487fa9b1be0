"""Share of the input that a model's tokenizer knows, from a sample of the texts."""

from __future__ import annotations

from aembed import Embedder
from aembed.jobs.rows import RowBlock

SAMPLE_TEXTS = 8
"""Texts of a block that are looked at."""
SAMPLE_CHARACTERS = 1000
"""Characters of each."""


class Vocabulary:
    """Counts tokens that the model does not know."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._tokens = 0
        self._is_known = True
        self._unknown = 0

    @property
    def unknown_share(self) -> float | None:
        """The share of unknown tokens, from 0 to 1; ``None`` if the tokenizer is not here."""
        return self._unknown / self._tokens if self._tokens else None

    def sample(self, block: RowBlock) -> None:
        """Look at some texts of a block. Blocks for a millisecond."""
        if not self._is_known:
            return
        good = [row.text[:SAMPLE_CHARACTERS] for row in block.rows if not row.fault]
        texts = [text for text in good[:: max(1, len(good) // SAMPLE_TEXTS)] if not text.isspace()]
        for size in self._embedder.measure(texts) if texts else ():
            self._is_known = size.exact
            if size.exact:
                self._tokens += size.tokens
                self._unknown += size.unknown
