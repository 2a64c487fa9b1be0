"""Rows that an update keeps although the input no longer has them: after those of the input, as the output has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aembed.jobs.existing import ExistingOutput
from aembed.jobs.keys import EMBEDDED, RowKeys, read_keys

ROWS_AT_ONCE = 64
"""They may be long."""
COMPARED_KEYS = 2**20


class KeptRows:
    """Those of one output. ``now`` are the keys of the input: a row is gone if its id is, or, without ids, its text."""

    def __init__(self, old: ExistingOutput, now: RowKeys) -> None:
        self.old = old
        keys = read_keys(old.output)
        embedded = keys["state"] == EMBEDDED
        column = "id" if keys["id"].any() and now["id"].any() else "text"
        gone = embedded & ~_are_there(keys[column], now[column])
        self.keys: RowKeys = keys[gone]
        self._chosen: NDArray[np.bool_] = gone if old.output.format == "npy" else gone[embedded]

    def __len__(self) -> int:
        return len(self.keys)

    def parts(self) -> Iterator[Any]:
        """The rows as their format holds them: arrays, lines, or record batches."""
        if not len(self):
            return iter(())
        read = {"npy": self._arrays, "jsonl": self._lines, "parquet": self._batches}
        return read[self.old.output.format]()

    def _arrays(self) -> Iterator[NDArray[Any]]:
        rows = np.load(self.old.output.path, mmap_mode="r")
        chosen = np.flatnonzero(self._chosen)
        for start in range(0, len(chosen), ROWS_AT_ONCE):
            yield rows[chosen[start : start + ROWS_AT_ONCE]]

    def _lines(self) -> Iterator[bytes]:
        with self.old.output.path.open("rb") as lines:
            for line, chosen in zip(lines, self._chosen, strict=True):
                if chosen:
                    yield line

    def _batches(self) -> Iterator[Any]:
        from aembed.jobs.arrow import parquet_file, some_rows

        left = iter(self._chosen.tolist())
        with closing(parquet_file(self.old.output.path)) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, use_threads=False):
                rows = np.flatnonzero(list(islice(left, batch.num_rows))).tolist()
                if rows:
                    yield some_rows(batch, rows)


def _are_there(digests: NDArray[Any], now: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the digests, each of two numbers, are among those of ``now``."""
    found = np.zeros(len(digests), bool)
    for start in range(0, len(now), COMPARED_KEYS):
        some = now[start : start + COMPARED_KEYS]
        found |= np.isin(digests[:, 0], some[:, 0]) & np.isin(digests[:, 1], some[:, 1])
    return found
