"""Texts and characters of each request, drawn again after the run: nothing of them is recorded while it lasts.

A request takes its argument right after its start is noted, so the order of the starts is the order of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from aembed.bench.rows.columns import NEVER, Ints, Rows


def lengths_of(rows: Rows, arguments: Iterator[Any] | None) -> tuple[Ints | None, Ints | None]:
    """Texts and characters of each row; ``None`` where the arguments are neither a text nor a list of texts.

    Takes one of ``arguments`` for each request that was started.
    """
    if arguments is None:
        return None, None
    started = np.flatnonzero(rows.begun)
    order = started[np.argsort(rows.started[started], kind="stable")]
    drawn = _sizes(islice(arguments, len(order)))
    if drawn is None:
        return None, None
    texts, characters = (np.full(len(rows), NEVER, dtype=np.int64) for _ in range(2))
    texts[order], characters[order] = drawn[:, 0], drawn[:, 1]
    return texts, characters


def _sizes(arguments: Iterator[Any]) -> Ints | None:
    """Numbers of texts and characters, a row for each argument."""
    found = []
    for argument in arguments:
        texts = [argument] if isinstance(argument, str) else argument
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return None
        found.append((len(texts), sum(map(len, texts))))
    return np.array(found, dtype=np.int64).reshape(-1, 2)
