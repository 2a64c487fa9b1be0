"""Vectors as an output stores them: float32, or something smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aembed import InputError, Vectors, quantize
from aembed.jobs.errors import JobOutputError
from aembed.jobs.record import Dtype, OutputRecord
from aembed.jobs.vectors import VectorFile

LARGEST_INT8 = 127
ROWS_AT_ONCE = 2048
STORED: dict[Dtype, Any] = {"float32": np.float32, "float16": np.float16, "int8": np.int8, "binary": np.uint8}


def check_dtype(dtype: str) -> None:
    """Reject a type that vectors cannot be stored as.

    Raises:
        JobOutputError: an unknown name.
    """
    if dtype not in STORED:
        raise JobOutputError(f"dtype is {dtype!r}; it must be one of {', '.join(STORED)}")


def stored_width(dim: int, dtype: Dtype) -> int:
    """Numbers in a stored vector."""
    return -(-dim // 8) if dtype == "binary" else dim


def stored(vectors: Vectors, dtype: Dtype, limit: float | None) -> NDArray[Any]:
    """Rows as they are stored. A row without a vector is NaN, or all zeros where there is no NaN.

    Raises:
        JobOutputError: a number is beyond float16.
    """
    if dtype == "float32":
        return vectors
    missing = np.isnan(vectors[:, 0])
    known = np.where(missing[:, None], np.float32(0), vectors)
    try:
        if dtype == "int8":
            return quantize(known, "int8", limit=limit)
        if dtype == "binary":
            return quantize(known, "binary")
        half = quantize(known, "float16")
    except InputError as error:
        raise JobOutputError(f"the vectors cannot be stored as {dtype}: {error}; choose another dtype") from None
    half[missing] = np.nan
    return half


def restored(rows: NDArray[Any], record: OutputRecord) -> Vectors:
    """Float32 rows which, stored in the same way, are ``rows`` again."""
    if record.dtype == "int8":
        numbers: Vectors = rows.astype(np.float32) * np.float32((record.limit or 1.0) / LARGEST_INT8)
        return numbers
    if record.dtype == "binary":
        signs: Vectors = np.unpackbits(rows, axis=-1, count=record.dim).astype(np.float32) * 2 - 1
        return signs
    return rows.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True)
class Scale:
    """From the scale of int8 rows to that of others with a larger limit."""

    mine: float | None
    other: float | None

    @property
    def is_same(self) -> bool:
        return self.mine == self.other

    def applied(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """The rows, converted to the other scale."""
        numbers = rows * np.float64((self.mine or 1.0) / (self.other or 1.0))
        return np.clip(np.rint(numbers), -LARGEST_INT8, LARGEST_INT8).astype(np.int8)


def largest(vectors: VectorFile, rows: int) -> float:
    """The largest magnitude of all numbers."""
    most = 0.0
    for start in range(0, rows, ROWS_AT_ONCE):
        some = np.abs(vectors.read(start, min(rows, start + ROWS_AT_ONCE)))
        most = max(most, float(np.nanmax(some, initial=0.0)))
    return most or 1.0
