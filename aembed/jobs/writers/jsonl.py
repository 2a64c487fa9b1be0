"""JSONL: each row of the input with its vector, one on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from aembed import Vectors
from aembed.jobs.json_values import as_json
from aembed.jobs.rows import RowBlock

FLOAT32_DIGITS = 9
"""Enough for every float32 to be read back as it was."""
NUMBERS_AT_ONCE = 2**13
"""Few enough for all that is made of them to stay in the processor's cache."""
MAX_EXACT_POWER = 22
"""Powers of ten up to this one are exact in float64."""


class JsonlWriter:
    """With ``numbered``, ``id`` is the number of the row."""

    def __init__(self, file: BinaryIO, vector_column: str, *, numbered: bool) -> None:
        self._numbered = numbered
        self._column = vector_column
        self._file = file
        self._encoder = msgspec.json.Encoder(enc_hook=as_json)

    def write(self, block: RowBlock, kept: Sequence[int], vectors: NDArray[Any]) -> None:
        records = _records(block)
        step = max(1, NUMBERS_AT_ONCE // vectors.shape[1])
        for start in range(0, len(kept), step):
            some = kept[start : start + step]
            lines = zip(some, _numbers(vectors[some]), strict=True)
            whole = [{**records[at], self._column: vector} for at, vector in lines]
            if self._numbered:
                whole = [{"id": block.rows[at].id, **record} for at, record in zip(some, whole, strict=True)]
            self._file.write(self._encoder.encode_lines(whole))

    def add(self, part: Any) -> None:
        self._file.write(part)

    def close(self) -> None:
        """Write the buffer."""
        self._file.flush()

    def release(self) -> None:
        """Nothing to release: no rows are held in memory."""


def _numbers(vectors: NDArray[Any]) -> list[Any]:
    return (short(vectors.astype(np.float32)) if vectors.dtype.kind == "f" else vectors).tolist()  # type: ignore[no-any-return]


def short(vectors: Vectors) -> NDArray[np.float64]:
    """The same numbers with nine digits, which say which float32 is meant; a float64 would be written with 17."""
    exact = vectors.astype(np.float64)
    with np.errstate(divide="ignore"):
        places = FLOAT32_DIGITS - 1 - np.floor(np.log10(np.abs(exact)))
    scale = 10.0 ** np.clip(places, 0, MAX_EXACT_POWER)
    return np.where((places >= 0) & (places <= MAX_EXACT_POWER), np.round(exact * scale) / scale, exact)


def _records(block: RowBlock) -> Sequence[Mapping[str, Any]]:
    if block.batch is None:
        return [row.fields for row in block.rows]
    from aembed.jobs.arrow_values import plain_records

    return plain_records(block.batch)
