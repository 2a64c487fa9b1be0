"""Progress of a job: vectors and journal, written together, and valid together."""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np
from msgspec import structs

from aembed import EmbedResult
from aembed.jobs.chunks import CHUNK_ROWS, RowChunk
from aembed.jobs.journal import Journal, JournalEntry, Reject
from aembed.jobs.ranges import Ranges
from aembed.jobs.reuse import EarlierOutput
from aembed.jobs.vectors import VectorFile

SYNC_INTERVAL_S = 2.0
"""Seconds between two syncs to the disk: a crash of the machine loses so much work, one of the process none."""


class Ledger:
    """Keeps finished chunks. Not safe for several threads at once."""

    def __init__(self, journal: Journal, vectors: VectorFile, dim: int, output: EarlierOutput | None = None) -> None:
        self.earlier = Ranges()
        """Rows that an earlier run has done."""
        self.done = 0
        self.rejected = 0
        """Rows that the provider rejected."""
        self.truncated = 0
        self.reused = 0
        """Rows whose vectors come from an earlier output."""
        self.requests = 0
        self.tokens: int | None = 0
        self.dim = dim
        self._journal = journal
        self._vectors = vectors
        self._output = output
        """A complete output whose vectors are taken over."""
        self._with_rejects: list[tuple[int, int, int]] = []
        """Start, stop and place of the entries with rejected rows, sorted."""
        self._synced = time.monotonic()

    def recover(self) -> Iterator[None]:
        """Take over the entries of an earlier run that their checksums confirm."""
        for offset, entry in self._journal.entries():
            intact = self._vectors.holds(entry.start, entry.stop, entry.checksum)
            if intact and self.earlier.add(entry.start, entry.stop):
                self._count(entry, offset)
            yield

    def keep(self, chunk: RowChunk, result: EmbedResult | None) -> None:
        """Write vectors, then journal. Blocks while the disk does; call it in a thread."""
        if result is not None and len(chunk.indices) == chunk.stop - chunk.start:
            rows = result.vectors
        else:
            rows = np.full((chunk.stop - chunk.start, self.dim), np.nan, np.float32)
            if result is not None:
                rows[np.array(chunk.indices) - chunk.start] = result.vectors
        rejects = [] if result is None else _rejects(chunk, result)
        if self._output is not None and chunk.known:
            earlier = np.array(chunk.earlier)
            rows[np.array(chunk.known) - chunk.start] = self._output.vectors(earlier)
            known = self._output.rejects(earlier)
            rejects += [Reject(chunk.known[at], error, message) for at, error, message in known]
        checksum = self._vectors.write(chunk.start, rows)
        entry = JournalEntry(chunk.start, chunk.stop, checksum, reused=len(chunk.known), rejects=rejects)
        if result is not None:
            usage, truncated = result.usage, len(result.truncated)
            entry = structs.replace(entry, tokens=usage.tokens, requests=usage.requests, truncated=truncated)
        self._count(entry, self._journal.append(entry))
        if time.monotonic() - self._synced > SYNC_INTERVAL_S:
            self.sync()

    def rejects(self, start: int, stop: int) -> dict[int, Reject]:
        """Index -> rejection by the provider, for the rows from ``start`` to ``stop``."""
        found: dict[int, Reject] = {}
        at = bisect_left(self._with_rejects, (start - CHUNK_ROWS,))
        while at < len(self._with_rejects) and self._with_rejects[at][0] < stop:
            if self._with_rejects[at][1] > start:
                entry = self._journal.entry_at(self._with_rejects[at][2])
                found.update((reject.index, reject) for reject in entry.rejects)
            at += 1
        return found

    def rejected_rows(self) -> Iterator[list[int]]:
        """Indices of all rows that the provider rejected, entry by entry."""
        for _, _, offset in self._with_rejects:
            yield [reject.index for reject in self._journal.entry_at(offset).rejects]

    def sync(self) -> None:
        """Sync everything to the disk."""
        self._vectors.sync()
        self._journal.sync()
        self._synced = time.monotonic()

    def _count(self, entry: JournalEntry, offset: int) -> None:
        self.done += entry.stop - entry.start
        self.rejected += len(entry.rejects)
        self.truncated += entry.truncated
        self.requests += entry.requests
        self.reused += entry.reused
        self.tokens = None if self.tokens is None or entry.tokens is None else self.tokens + entry.tokens
        if entry.rejects:
            insort(self._with_rejects, (entry.start, entry.stop, offset))


def _rejects(chunk: RowChunk, result: EmbedResult) -> list[Reject]:
    return [
        Reject(chunk.indices[at], type(error).__name__, _message(error))
        for at, error in sorted(result.failures.items())
    ]


def _message(error: Exception) -> str:
    """The message without the position in the chunk, which means nothing to a user."""
    index = getattr(error, "index", None)
    if index is None:
        return str(error)
    error.index = None  # type: ignore[attr-defined]
    return str(error)
