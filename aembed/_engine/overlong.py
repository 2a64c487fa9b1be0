"""A text beyond the model's length: its head, or its pieces and their average. Pure.

Only the model's tokenizer knows the length of a text. These functions work from an estimate; a piece that is still too
long is rejected again, and cut again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aembed._engine.plan import estimate_tokens
from aembed._types import TextSize, Vectors
from aembed._vectors import unit_length, weighted_means

LIMIT_SHARE = 0.9
"""Share of the limit aimed for, because the estimate may be low."""
MAX_KEPT_SHARE = 0.8
"""Largest share of a rejected text that is kept: an estimate by which more would fit is wrong."""
UNIT_LENGTH_TOLERANCE = 1e-3
"""Largest distance from 1 of a unit length, since servers scale in float16 or round to a few digits."""
MIN_CUT_CHARACTERS = 16
"""Characters below which a text is not cut further: the server rejects it for something other than its length."""


def head(text: str, limit: int | None) -> str:
    """The beginning of ``text``, about ``limit`` tokens long, without half a word at its end."""
    share = MAX_KEPT_SHARE if limit is None else min(MAX_KEPT_SHARE, LIMIT_SHARE * limit / estimate_tokens(text))
    kept = text[: max(1, int(len(text) * share))]
    return kept.rsplit(maxsplit=1)[0] if " " in kept.strip() else kept


def pieces(text: str, limit: int | None) -> list[str]:
    """``text`` in two or more parts of about equal length, cut between words where it has any."""
    wanted = 2 if limit is None else max(2, math.ceil(estimate_tokens(text) / (LIMIT_SHARE * limit)))
    return [part for start, stop in _spans(text, wanted) if (part := text[start:stop]).strip()]


def estimated_size(text: str, limit: int | None) -> TextSize:
    """The length of a text whose tokenizer is not here."""
    tokens = estimate_tokens(text)
    wanted = 1 if limit is None else math.ceil(tokens / (LIMIT_SHARE * limit))
    return TextSize(tokens, 0, _spans(text, wanted), exact=False)


def _spans(text: str, wanted: int) -> list[tuple[int, int]]:
    """Start and end of about ``wanted`` parts of the text."""
    size = math.ceil(len(text) / wanted)
    spans: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        stop = min(start + size, len(text))
        if stop < len(text):
            stop = text.rfind(" ", start + size // 2, stop) + 1 or stop
        spans.append((start, stop))
        start = stop
    return spans


def average(vectors: Vectors, texts: Sequence[str]) -> Vectors:
    """The mean of the pieces' vectors, weighted by their tokens; of unit length if they are. Shape ``(1, dim)``."""
    weights = np.array([estimate_tokens(text) for text in texts], np.float32)
    mean = weighted_means(vectors, weights, np.zeros(len(texts), np.intp), 1)
    are_of_unit_length = np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=UNIT_LENGTH_TOLERANCE)
    return unit_length(mean) if are_of_unit_length else mean
