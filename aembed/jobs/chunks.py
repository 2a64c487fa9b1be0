"""Rows -> chunks: what is embedded, kept and journalled as one, and paid for again if the job dies meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from aembed import ModelSpec, estimate_tokens
from aembed.jobs.rows import Row

TEXTS = 256
"""Texts in a chunk where a request may hold any number."""
SORTED = 2048
"""Texts in a chunk for a model that pads: it is in this process and bills nobody, and more texts sort better."""
SORTED_TOKENS = 2**15
"""Estimated tokens in such a chunk: a second or two of work, which is what a killed job loses."""
CHARACTERS = 2**21
"""Characters in a chunk: many of them are under way at once, and all are in memory."""
ROWS = 8192
"""Rows in a chunk, those that cannot be embedded included."""


@dataclass(slots=True)
class Chunk:
    """Rows ``start`` to ``stop``; ``texts[i]`` is that of row ``indices[i]``.

    Of the others, row ``known[i]`` has the vector of row ``earlier[i]`` of an earlier output; the rest cannot be
    embedded.
    """

    start: int
    stop: int
    texts: list[str] = field(default_factory=list[str])
    indices: list[int] = field(default_factory=list[int])
    known: list[int] = field(default_factory=list[int])
    earlier: list[int] = field(default_factory=list[int])
    characters: int = 0


class Cutter:
    """Cuts chunks of consecutive rows that fit into one request each, as far as lengths can be estimated."""

    def __init__(self, spec: ModelSpec) -> None:
        self._texts = max(SORTED, spec.max_batch_texts or 0) if spec.pads else spec.max_batch_texts or TEXTS
        self._tokens = max(SORTED_TOKENS, spec.max_batch_tokens or 0) if spec.pads else spec.max_batch_tokens
        self._chunk: Chunk | None = None
        self._used = 0

    def add(self, index: int, row: Row, earlier: int = -1) -> Chunk | None:
        """Take the next row, which may have a vector in ``earlier``. Returns the chunk that is complete without it."""
        is_sent = not row.fault and earlier < 0
        tokens = 0 if not is_sent or self._tokens is None else estimate_tokens(row.text)
        done = self.flush() if not self._fits(index, len(row.text) if is_sent else 0, tokens) else None
        if self._chunk is None:
            self._chunk = Chunk(index, index)
        self._chunk.stop = index + 1
        if earlier >= 0:
            self._chunk.known.append(index)
            self._chunk.earlier.append(earlier)
        elif is_sent:
            self._chunk.texts.append(row.text)
            self._chunk.indices.append(index)
            self._chunk.characters += len(row.text)
            self._used += tokens
        return done

    def flush(self) -> Chunk | None:
        """The chunk that is begun, if any."""
        done, self._chunk, self._used = self._chunk, None, 0
        return done

    def _fits(self, index: int, characters: int, tokens: int) -> bool:
        chunk = self._chunk
        if chunk is None:
            return True
        if index != chunk.stop or index - chunk.start >= ROWS:
            return False
        if not characters or not chunk.texts:
            return True
        if len(chunk.texts) == self._texts or chunk.characters + characters > CHARACTERS:
            return False
        return self._tokens is None or self._used + tokens <= self._tokens
