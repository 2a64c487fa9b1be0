"""Vectors of an output that is complete already, found by the texts they belong to: these cost no request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aembed import Vectors
from aembed.jobs.directory import JobDirectory
from aembed.jobs.keys import REJECTED, RowKeys, read_keys
from aembed.jobs.paths import EARLIER, Output
from aembed.jobs.quantized import STORED, restored
from aembed.jobs.record import OutputRecord
from aembed.jobs.vectors import VectorFile

ROWS_AT_ONCE = 2048

Positions = NDArray[np.int64]
"""Rows of the earlier output, as its keys number them; -1 for a text it does not have."""


class EarlierOutput:
    """Looks texts up. ``prepare`` must have ended first; it reads the output once, unless that is a plain array."""

    def __init__(self, output: Output, record: OutputRecord, directory: JobDirectory, *, rejects: bool) -> None:
        self.keys: RowKeys = read_keys(output)
        self._output = output
        self._record = record
        self._directory = directory
        self._rejects = rejects
        """True if rejected rows count as known."""
        self._vectors: Any = None
        self._lines: list[bytes] = []

    def prepare(self) -> Iterator[None]:
        """Sort the keys, and bring the vectors into a form that can be read in any order."""
        rejected = self.keys["state"] == REJECTED
        self._reject_number = np.cumsum(rejected) - 1
        self._row_number = np.arange(len(rejected)) if self._output.format == "npy" else np.cumsum(~rejected) - 1
        known = np.flatnonzero(self.keys["text"].any(axis=1) & (self._rejects | ~rejected))
        texts = self.keys["text"][known]
        order = np.argsort(texts[:, 0], kind="stable")
        self._high, self._low, self._known = texts[order, 0], texts[order, 1], known[order]
        if self._rejects and self._output.rejects.exists():
            self._lines = self._output.rejects.read_bytes().splitlines()
        yield
        if self._output.format == "npy":
            self._vectors = np.load(self._output.path, mmap_mode="r")
            return
        width = self._record.dim
        with self._directory.open(EARLIER, "w+b") as file:
            decoded = VectorFile(file, int(np.count_nonzero(~rejected)), width)
            start = 0
            for rows in stored_vectors(self._output, self._record):
                decoded.write(start, restored(rows, self._record))
                start += len(rows)
                yield
        self._vectors = np.load(self._directory.path / EARLIER, mmap_mode="r")
        self._record = msgspec.structs.replace(self._record, dtype="float32")

    def find(self, keys: RowKeys) -> Positions:
        """The earlier row with the same text as each of these; -1 where there is none."""
        high, low = keys["text"][:, 0], keys["text"][:, 1]
        found = np.full(len(keys), -1, np.int64)
        at = np.searchsorted(self._high, high)
        left = np.flatnonzero(keys["text"].any(axis=1))
        while len(left):  # more than once only where digests have the same first half
            left = left[at[left] < len(self._high)]
            left = left[self._high[at[left]] == high[left]]
            same = self._low[at[left]] == low[left]
            found[left[same]] = self._known[at[left[same]]]
            left = left[~same]
            at[left] += 1
        return found

    def vectors(self, positions: Positions) -> Vectors:
        """Their rows, in float32; those of rejected rows are NaN."""
        rows = np.full((len(positions), self._record.dim), np.nan, np.float32)
        good = self.keys["state"][positions] != REJECTED
        rows[good] = restored(self._vectors[self._row_number[positions[good]]], self._record)
        return rows

    def rejects(self, positions: Positions) -> Iterator[tuple[int, str, str]]:
        """Rejected rows: index in ``positions``, class and message of the error."""
        for at in np.flatnonzero(self.keys["state"][positions] == REJECTED).tolist():
            line = msgspec.json.decode(self._lines[self._reject_number[positions[at]]])
            yield at, line["error"], line["message"]


def stored_vectors(output: Output, record: OutputRecord) -> Iterator[NDArray[Any]]:
    """The vectors of a JSONL or Parquet output as they are stored, some rows at a time."""
    column = record.vector_column
    if output.format == "parquet":
        from aembed.jobs.arrow import numbers_of, parquet_file

        with closing(parquet_file(output.path)) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[column], use_threads=False):
                yield numbers_of(batch.column(0).flatten()).reshape(batch.num_rows, -1)
        return
    kind = STORED[record.dtype]
    with output.path.open("rb") as lines:
        while some := list(islice(lines, ROWS_AT_ONCE // 8)):
            yield np.array([msgspec.json.decode(line)[column] for line in some], kind)
