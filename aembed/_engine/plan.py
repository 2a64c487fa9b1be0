"""Texts -> batches. Pure: what one request may carry, and which texts go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aembed._types import Batch, ModelSpec

CHARACTERS_PER_TOKEN = 4
"""Characters per token of English under a subword tokenizer; source:
OpenAI, "What are tokens and how to count them?"."""


def estimate_tokens(text: str) -> int:
    """Estimate a text's tokens from its length alone: a byte of non-ASCII text weighs more than a letter."""
    size = len(text) if text.isascii() else len(text.encode()) * 4 // 3
    return size // CHARACTERS_PER_TOKEN + 1


def plan(texts: Sequence[str], spec: ModelSpec) -> list[Batch]:
    """Cut ``texts`` into batches within the count and token caps of ``spec``.

    Batches hold neighbours in input order; for a model that pads, neighbours in length, longest first, so that
    little is padded and the last batch to finish is a short one. A text above the token cap is sent alone.
    A single batch holds the texts as they came.
    """
    if len(texts) <= 1:
        return [Batch(texts, slice(0, 1))] if texts else []
    longest = spec.max_text_tokens
    is_one_batch = spec.max_batch_tokens is None and len(texts) <= (spec.max_batch_texts or len(texts))
    if is_one_batch and (longest is None or spec.pads):
        return [Batch(texts, slice(0, len(texts)))]
    sizes = [estimate_tokens(text) for text in texts]
    if spec.pads:
        order = sorted(range(len(texts)), key=sizes.__getitem__, reverse=True)
        batches = _in_order(texts, order, sizes, spec)
        return batches if len(batches) > 1 else [Batch(texts, slice(0, len(texts)))]
    if longest is not None and max(sizes) > longest:
        # Texts that look too long go alone, so that no other text is rejected with them.
        fitting = [i for i, size in enumerate(sizes) if size <= longest]
        alone = [_gather(texts, [i]) for i, size in enumerate(sizes) if size > longest]
        return _in_order(texts, fitting, sizes, spec) + alone
    return [Batch(texts[start:stop], slice(start, stop)) for start, stop in _cuts(sizes, spec)]


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The batch in two, after the provider rejected it as a whole."""
    middle = len(batch) // 2
    return take(batch, list(range(middle))), take(batch, list(range(middle, len(batch))))


def take(batch: Batch, positions: list[int]) -> Batch:
    """The texts at ``positions``, with the rows they belong to."""
    rows = np.arange(batch.rows.start, batch.rows.stop) if isinstance(batch.rows, slice) else batch.rows
    return Batch([batch.texts[i] for i in positions], rows[positions])


def indices_of(batch: Batch) -> Sequence[int]:
    """The index of each text of the batch in its call."""
    rows = batch.rows
    return range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()


def _in_order(texts: Sequence[str], order: list[int], sizes: list[int], spec: ModelSpec) -> list[Batch]:
    cuts = _cuts([sizes[i] for i in order], spec)
    return [_gather(texts, order[start:stop]) for start, stop in cuts]


def _gather(texts: Sequence[str], order: list[int]) -> Batch:
    return Batch([texts[i] for i in order], np.array(order, dtype=np.intp))


def _cuts(sizes: list[int], spec: ModelSpec) -> list[tuple[int, int]]:
    """Greedy cuts of consecutive texts. ``sizes`` descend where the model pads: the first of a batch is its width."""
    cap, budget = spec.max_batch_texts or len(sizes), spec.max_batch_tokens
    cuts: list[tuple[int, int]] = []
    start, used = 0, 0
    for i, size in enumerate(sizes):
        cost = sizes[start] * (i - start + 1) if spec.pads else used + size
        if i > start and (i - start >= cap or (budget is not None and cost > budget)):
            cuts.append((start, i))
            start, used = i, 0
        used += size
    if sizes:
        cuts.append((start, len(sizes)))
    return cuts
