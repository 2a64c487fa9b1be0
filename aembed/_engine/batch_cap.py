"""How many texts a server takes in one request, where it is learnt from what the server refused. Pure."""

from __future__ import annotations

from dataclasses import replace

from aembed._engine.plan import take
from aembed._types import Batch, ModelSpec

TRY_AGAIN = 100
"""Full batches after which more texts are tried: halving has overshot, or the texts were only too long together."""


class BatchCap:
    """``most`` is ``None`` while nothing was refused. One request in a hundred is spent on finding out, at most."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._fine = 0
        self._too_many = 0
        self._full = 0

    def rejected(self, texts: int) -> None:
        """Back to what went well, or else to half. Larger ones were on their way before, and are no news."""
        if texts < 2 or (self.most is not None and texts > self.most):
            return
        if texts <= self._fine:
            self._fine = 0
        self.most, self._too_many, self._full = self._fine or (texts + 1) // 2, texts, 0

    def accepted(self, texts: int) -> None:
        if self.most is None or texts < self.most:
            return
        self._fine = texts
        self._full += 1
        if self._full >= TRY_AGAIN:
            middle = (texts + self._too_many) // 2
            self.most, self._full = middle if middle > texts else 2 * texts, 0

    def fit(self, spec: ModelSpec) -> ModelSpec:
        """``spec``, with batches no larger than this."""
        if self.most is None or (spec.max_batch_texts is not None and spec.max_batch_texts <= self.most):
            return spec
        return replace(spec, max_batch_texts=self.most)

    def parts(self, batch: Batch) -> list[Batch]:
        """A batch that was planned before the cap was known, in parts within it."""
        if self.most is None or len(batch) <= self.most:
            return [batch]
        positions = list(range(len(batch)))
        return [take(batch, positions[start : start + self.most]) for start in range(0, len(batch), self.most)]
