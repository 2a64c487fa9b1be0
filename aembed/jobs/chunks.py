"""Chunks of rows: the unit that is embedded, stored and journalled, and paid for again if the job dies meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aembed import ModelSpec, estimate_tokens
from aembed.jobs.rows import Row

USUAL_BATCH_TEXTS = 256
"""Texts in a chunk where a request may hold any number."""
SORTED_TEXTS = 2048
"""Texts in a chunk for a model that pads: it runs in this process without a bill, and more texts sort better."""
SORTED_TOKENS = 2**14
"""Most estimated tokens in such a chunk."""
FIRST_TOKENS = 2**9
"""Estimated tokens in the first of such chunks, and in the smallest."""
CHUNK_S = 2.0
"""Seconds that such a chunk should take at most: a killed job loses no more, and progress moves as often."""
CHUNK_BYTES = 2**21
"""Largest size of a chunk of several texts, in bytes: as many chunks as the account takes at once are in memory."""
CHARACTER_BYTES = 4
"""Bytes of a character: a request takes several times its text."""
CHUNK_ROWS = 8192
"""Rows in a chunk, those that cannot be embedded included."""


@dataclass(slots=True)
class RowChunk:
    """Rows ``start`` to ``stop``; ``texts[i]`` is that of row ``indices[i]``.

    Among the others, row ``known[i]`` has the vector of row ``earlier[i]`` of an earlier output; the rest cannot be
    embedded.
    """

    start: int
    stop: int
    texts: list[str] = field(default_factory=list[str])
    indices: list[int] = field(default_factory=list[int])
    known: list[int] = field(default_factory=list[int])
    earlier: list[int] = field(default_factory=list[int])
    size: int = 0
    """Bytes of its texts and vectors while it is under way."""


class Cutter:
    """Cuts chunks of consecutive rows that fit into one request each, as far as lengths can be estimated.

    With ``paced``, those for a model that pads begin small, and become as large as :meth:`pace` finds good.
    """

    def __init__(self, spec: ModelSpec, dim: int | None, *, paced: bool = False) -> None:
        self._texts = (
            max(SORTED_TEXTS, spec.max_batch_texts or 0) if spec.pads else spec.max_batch_texts or USUAL_BATCH_TEXTS
        )
        self._tokens = max(SORTED_TOKENS, spec.max_batch_tokens or 0) if spec.pads else spec.max_batch_tokens
        self._most_tokens = self._tokens
        self._paced = paced and spec.pads
        if self._paced:
            self._tokens = FIRST_TOKENS
        self._vector_bytes = 4 * (dim or 0)
        self._chunk: RowChunk | None = None
        self._used = 0

    def add(self, start: int, rows: Sequence[Row], earlier: Sequence[int] | None = None) -> list[RowChunk]:
        """Take the rows from ``start``, of which some may have a vector in ``earlier``. Returns the chunks that end."""
        count, done = len(rows), list[RowChunk]()
        texts = [row.text for row in rows]
        known = np.zeros(count, bool) if earlier is None else np.asarray(earlier) >= 0
        sent = ~(known | np.fromiter([bool(row.fault) for row in rows], bool, count))
        all_sent = bool(sent.all())
        lengths = np.fromiter(map(len, texts), np.int64, count)
        sizes = self._vector_bytes + CHARACTER_BYTES * sent * lengths
        tokens = sent * (0 if self._tokens is None else np.fromiter(map(estimate_tokens, texts), np.int64, count))
        at = 0
        while at < count:
            if self._chunk is None:
                self._chunk = RowChunk(start + at, start + at)
            chunk = self._chunk
            stop = at + self._fitting(chunk, start + at, sent[at:], sizes[at:], tokens[at:])
            some = range(at, stop) if all_sent else (at + np.flatnonzero(sent[at:stop])).tolist()
            chunk.texts += texts[at:stop] if all_sent else [texts[each] for each in some]
            chunk.indices += [start + each for each in some]
            if earlier is not None:
                chunk.known += (start + at + np.flatnonzero(known[at:stop])).tolist()
                chunk.earlier += np.asarray(earlier)[at:stop][known[at:stop]].tolist()
            chunk.stop += stop - at
            chunk.size += int(sizes[at:stop].sum())
            self._used += int(tokens[at:stop].sum())
            at = stop
            if at < count:
                done += self.flush()
        return done

    def pace(self, seconds: float) -> None:
        """Double the tokens of later chunks if one took less than half of its time, and halve them if it took more."""
        if not self._paced or self._tokens is None or self._most_tokens is None:
            return
        if seconds < CHUNK_S / 2:
            self._tokens = min(2 * self._tokens, self._most_tokens)
        elif seconds > CHUNK_S:
            self._tokens = max(self._tokens // 2, FIRST_TOKENS)

    def flush(self) -> list[RowChunk]:
        """The unfinished chunk, if any."""
        done, self._chunk, self._used = self._chunk, None, 0
        return [] if done is None else [done]

    def _fitting(
        self, chunk: RowChunk, start: int, sent: NDArray[np.bool_], sizes: NDArray[np.int64], tokens: NDArray[np.int64]
    ) -> int:
        """Number of the next rows that fit. The first row always does."""
        if start != chunk.stop:
            return 0
        most = CHUNK_ROWS - (chunk.stop - chunk.start)
        texts = len(chunk.texts) + np.cumsum(sent[:most])
        full = (texts > self._texts) | (chunk.size + np.cumsum(sizes[:most]) > CHUNK_BYTES)
        if self._tokens is not None:
            full |= self._used + np.cumsum(tokens[:most]) > self._tokens
        full &= np.arange(len(full)) > chunk.start - chunk.stop
        return int(full.argmax()) if full.any() else len(full)
