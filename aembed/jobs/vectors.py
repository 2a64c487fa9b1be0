"""The vectors of a job, in the order of the input: a ``.npy`` file whose rows are written in any order."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np
from xxhash import xxh3_64_hexdigest

from aembed import Vectors
from aembed.jobs.journal import write_all

HEADER_BYTES = 128


class VectorFile:
    """Row ``i`` belongs to row ``i`` of the input; NaN where that has no vector. Rows not yet written are anything.

    It takes over an open, unbuffered file.
    """

    def __init__(self, file: BinaryIO, rows: int, dim: int) -> None:
        self._row_bytes = dim * 4
        self.dim = dim
        self._file: Any = file
        self.resize(rows)

    def resize(self, rows: int) -> None:
        """Make it an array of so many rows."""
        self._file.seek(0)
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, self.dim)}
        np.lib.format.write_array_header_1_0(self._file, header)
        assert self._file.tell() == HEADER_BYTES, "numpy pads headers to a multiple of 64"

    def write(self, start: int, vectors: Vectors) -> str:
        """Put rows in their place, and return their checksum."""
        data = np.ascontiguousarray(vectors, "<f4").data.cast("B")
        self._file.seek(HEADER_BYTES + start * self._row_bytes)
        write_all(self._file, data)
        return xxh3_64_hexdigest(data)

    def read(self, start: int, stop: int) -> Vectors:
        """Rows ``start`` to ``stop``, shape ``(stop - start, dim)``."""
        return np.frombuffer(self._bytes(start, stop), "<f4").astype(np.float32, copy=False).reshape(-1, self.dim)

    def holds(self, start: int, stop: int, checksum: str) -> bool:
        """True if these rows have that checksum."""
        data = self._bytes(start, stop)
        return len(data) == (stop - start) * self._row_bytes and xxh3_64_hexdigest(data) == checksum

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _bytes(self, start: int, stop: int) -> bytearray:
        data = bytearray((stop - start) * self._row_bytes)
        self._file.seek(HEADER_BYTES + start * self._row_bytes)
        got, view = 0, memoryview(data)
        while got < len(data):
            count = self._file.readinto(view[got:])
            if not count:
                break
            got += count
        view.release()
        del data[got:]
        return data
