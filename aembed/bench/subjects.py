"""Subjects made of an embedder. Every result is validated: shape, type, finite numbers, length, and the rows' order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aembed import Embedder
from aembed.bench.scenario import Subject, Validate

ALIKE = 0.99
"""Cosine between the vectors of a text in two calls, at least."""


def documents(embedder: Embedder, texts: Sequence[str]) -> Subject:
    """``embed_documents`` of these texts."""
    chosen = list(texts)
    return Subject(lambda: embedder.embed_documents(chosen), vectors((len(chosen), embedder.spec.dim)))


def query(embedder: Embedder, text: str) -> Subject:
    """``embed_query`` of this text."""
    return Subject(lambda: embedder.embed_query(text), vectors((embedder.spec.dim,)))


def vectors(shape: tuple[int | None, ...]) -> Validate:
    """Refuses what are not float32 vectors of this shape (``None``: any), and what differs from the first result."""
    first: list[Any] = []

    def validate(result: Any) -> str | None:
        if not isinstance(result, np.ndarray) or result.dtype != np.float32:
            return f"not float32 vectors, but {getattr(result, 'dtype', type(result).__name__)}"
        if len(result.shape) != len(shape) or any(b not in {None, a} for a, b in zip(result.shape, shape, strict=True)):
            return f"shape {result.shape}, not {tuple('any' if n is None else n for n in shape)}"
        squares = np.einsum("...d,...d->...", result, result)
        if not np.isfinite(squares).all():
            return "numbers that are not finite"
        if not (squares > 0).all():
            return "a vector of zeros"
        if not first:
            first.extend((result.copy(), squares))
        alike = np.einsum("...d,...d->...", result, first[0]) / np.sqrt(squares * first[1])
        return None if (alike > ALIKE).all() else "rows that differ from those of the first result"

    return validate
