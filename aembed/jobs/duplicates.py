"""Repeated ids, found in constant memory: hashes in files by their first bits, each file sorted by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128_intdigest

from aembed.jobs.rows import RowBlock

PART_FILES = 64
"""Number of files: at 100 million rows one of them takes some 40 MB to sort."""
BUFFERED_IDS = 2**15

ENTRY = np.dtype([("high", np.uint64), ("low", np.uint64), ("index", np.int64), ("first", np.int64)])


class SeenIds:
    """Remembers ids outside the memory; use it as a context manager."""

    def __init__(self) -> None:
        self._files = ExitStack()
        self._parts: list[Any] = []
        self._buffer = np.empty(BUFFERED_IDS, ENTRY)
        self._buffered = 0

    def __enter__(self) -> SeenIds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def add(self, block: RowBlock) -> None:
        """The ids of all rows that have one and can be embedded."""
        entries = [
            (
                *divmod(xxh3_128_intdigest(_encoded(row.id)), 2**64),
                index,
                index - (row.piece or 0),
            )
            for index, row in enumerate(block.rows, block.start)
            if not row.fault
        ]
        if self._buffered + len(entries) > BUFFERED_IDS:
            self._spill()
        self._buffer[self._buffered : self._buffered + len(entries)] = entries
        self._buffered += len(entries)

    def repeated(self) -> NDArray[np.int64]:
        """Indices of the rows whose id an earlier row has, ascending."""
        if not self._parts:
            return np.sort(_repeated(self._buffer[: self._buffered]))
        self._spill()
        return np.sort(np.concatenate([_repeated(part) for part in self._read()]))

    def _spill(self) -> None:
        if not self._parts:
            self._parts = [self._files.enter_context(tempfile.TemporaryFile()) for _ in range(PART_FILES)]  # noqa: SIM115
        entries = self._buffer[: self._buffered]
        part = entries["high"] % PART_FILES
        for number in np.unique(part):
            self._parts[number].write(entries[part == number].tobytes())
        self._buffered = 0

    def _read(self) -> Iterable[NDArray[Any]]:
        for part in self._parts:
            part.seek(0)
            yield np.frombuffer(part.read(), ENTRY)


def _encoded(value: object) -> bytes:
    """The id with its type: 1 and "1" are two ids."""
    return f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")


def _repeated(entries: NDArray[Any]) -> NDArray[np.int64]:
    if not len(entries):
        return np.empty(0, np.int64)
    entries = np.sort(entries, order=["high", "low", "index"])
    same = (entries["high"][1:] == entries["high"][:-1]) & (entries["low"][1:] == entries["low"][:-1])
    group = np.flatnonzero(np.concatenate([[True], ~same]))
    first_of_group = np.repeat(entries["first"][group], np.diff(np.append(group, len(entries))))
    indices: NDArray[np.int64] = entries["index"][entries["first"] != first_of_group]  # all pieces of a row are one
    return indices
