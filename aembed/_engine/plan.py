"""Texts -> batches. Pure: what one request may carry, and which texts go together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aembed._types import Batch, ModelSpec

CHARACTERS_PER_TOKEN = 4
"""Characters per token of English under a subword tokenizer; source:
OpenAI, "What are tokens and how to count them?"."""


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text from its length alone: a byte of non-ASCII text weighs more than an English
    letter."""
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
    cap = spec.max_batch_texts or len(texts)
    if spec.max_batch_tokens is None and len(texts) <= cap and (spec.max_text_tokens is None or spec.pads):
        return [Batch(texts, slice(0, len(texts)))]
    sizes = [estimate_tokens(text) for text in texts]
    longest = spec.max_text_tokens
    if longest is not None and not spec.pads and max(sizes) > longest:
        return _set_apart(texts, sizes, spec, longest)
    if spec.pads:
        order = sorted(range(len(texts)), key=sizes.__getitem__, reverse=True)
        cuts = _cuts([sizes[i] for i in order], cap, spec.max_batch_tokens, pads=True)
        if len(cuts) == 1:
            return [Batch(texts, slice(0, len(texts)))]
        return [_gather(texts, order[start:stop]) for start, stop in cuts]
    cuts = _cuts(sizes, cap, spec.max_batch_tokens, pads=False)
    return [Batch(texts[start:stop], slice(start, stop)) for start, stop in cuts]


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


def _set_apart(texts: Sequence[str], sizes: list[int], spec: ModelSpec, longest: int) -> list[Batch]:
    """Texts that look too long go alone, so that no other text is rejected with them."""
    fitting = [i for i, size in enumerate(sizes) if size <= longest]
    whole = Batch([texts[i] for i in fitting], np.array(fitting, dtype=np.intp))
    others = [
        take(whole, list(range(b.rows.start, b.rows.stop)))
        for b in plan(whole.texts, spec)
        if isinstance(b.rows, slice)
    ]
    return others + [_gather(texts, [i]) for i, size in enumerate(sizes) if size > longest]


def _gather(texts: Sequence[str], order: list[int]) -> Batch:
    return Batch([texts[i] for i in order], np.array(order, dtype=np.intp))


def _cuts(sizes: list[int], cap: int, budget: int | None, *, pads: bool) -> list[tuple[int, int]]:
    """Greedy cuts of consecutive texts. ``sizes`` descend where the model pads: the first of a batch is its width."""
    cuts: list[tuple[int, int]] = []
    start, used = 0, 0
    for i, size in enumerate(sizes):
        cost = sizes[start] * (i - start + 1) if pads else used + size
        if i > start and (i - start >= cap or (budget is not None and cost > budget)):
            cuts.append((start, i))
            start, used = i, 0
        used += size
    cuts.append((start, len(sizes)))
    return cuts
