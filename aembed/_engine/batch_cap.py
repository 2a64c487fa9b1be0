"""The most texts that a server takes in one request, learnt from batches that it rejected. Pure."""

from __future__ import annotations

from dataclasses import replace

from aembed._engine.plan import take
from aembed._types import Batch, ModelSpec

FULL_BATCHES_BEFORE_GROWTH = 100
"""Accepted full batches after which more texts are tried: halving has overshot, or the texts were only too long
together. Larger tries are at most one request in a hundred."""


class BatchCap:
    """``most`` texts, ``None`` until a batch is rejected. It grows by half the distance to the rejected size."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._accepted = 0
        self._too_many = 0
        self._full_batches = 0

    def rejected(self, texts: int) -> None:
        """Return to the largest accepted size, or else to half. A batch sent before the cap teaches nothing."""
        if texts < 2 or (self.most is not None and texts > self.most):
            return
        if texts <= self._accepted:
            self._accepted = 0
        self.most, self._too_many, self._full_batches = self._accepted or (texts + 1) // 2, texts, 0

    def accepted(self, texts: int) -> None:
        if self.most is None or texts < self.most:
            return
        self._accepted = texts
        self._full_batches += 1
        if self._full_batches >= FULL_BATCHES_BEFORE_GROWTH:
            middle = (texts + self._too_many) // 2
            self.most, self._full_batches = middle if middle > texts else 2 * texts, 0

    def fit(self, spec: ModelSpec) -> ModelSpec:
        """``spec``, with batches no larger than this."""
        if self.most is None or (spec.max_batch_texts is not None and spec.max_batch_texts <= self.most):
            return spec
        return replace(spec, max_batch_texts=self.most)

    def is_exceeded_by(self, batch: Batch) -> bool:
        """True for a batch that was planned before the cap was known."""
        return self.most is not None and len(batch.texts) > self.most

    def parts(self, batch: Batch) -> list[Batch]:
        """A batch in parts within the cap."""
        if self.most is None:
            return [batch]
        positions = list(range(len(batch)))
        return [take(batch, positions[start : start + self.most]) for start in range(0, len(batch), self.most)]
