"""``.npy``: a row for each of the input, where the job's own file of vectors is not the output itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aembed.jobs.rows import RowBlock


class NpyWriter:
    """Rows of ``width`` numbers, those without a vector included."""

    def __init__(self, file: BinaryIO, rows: int, width: int, kind: Any) -> None:
        self._file = file
        descr = np.lib.format.dtype_to_descr(np.dtype(kind).newbyteorder("<"))
        header = {"descr": descr, "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)

    def write(self, block: RowBlock, kept: Sequence[int], vectors: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(vectors).data)

    def add(self, part: Any) -> None:
        self._file.write(np.ascontiguousarray(part).data)

    def close(self) -> None:
        """Write the buffer."""
        self._file.flush()

    def release(self) -> None:
        """Nothing to release: no rows are held in memory."""
