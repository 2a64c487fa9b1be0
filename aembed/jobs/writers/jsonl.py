"""JSONL: each row of the input with its vector, one on a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from aembed import Vectors
from aembed.jobs.json_values import as_json
from aembed.jobs.rows import Block

DIGITS = 9
"""Enough for every float32 to be read back as it was."""
EXACT = 22
"""Powers of ten up to this one are exact in float64."""


class JsonlWriter:
    """With ``numbered``, ``id`` is the number of the row."""

    def __init__(self, file: BinaryIO, vector_column: str, *, numbered: bool) -> None:
        self._numbered = numbered
        self._column = vector_column
        self._file = file
        self._encoder = msgspec.json.Encoder(enc_hook=as_json)

    def write(self, block: Block, kept: Sequence[int], vectors: NDArray[Any]) -> None:
        records: Sequence[Mapping[str, Any]] = _records(block)
        some = vectors[kept]
        numbers = (short(some.astype(np.float32)) if some.dtype.kind == "f" else some).tolist()
        lines = bytearray()
        for at, vector in zip(kept, numbers, strict=True):
            name = {"id": block.rows[at].id} if self._numbered else {}
            lines += self._encoder.encode({**name, **records[at], self._column: vector})
            lines += b"\n"
        self._file.write(lines)

    def add(self, part: Any) -> None:
        self._file.write(part)

    def close(self) -> None:
        """Write what is buffered."""
        self._file.flush()


def short(vectors: Vectors) -> NDArray[np.float64]:
    """The same numbers with nine digits, which say which float32 is meant; a float64 would be written with 17."""
    exact = vectors.astype(np.float64)
    with np.errstate(divide="ignore"):
        places = DIGITS - 1 - np.floor(np.log10(np.abs(exact)))
    scale = 10.0 ** np.clip(places, 0, EXACT)
    return np.where((places >= 0) & (places <= EXACT), np.round(exact * scale) / scale, exact)


def _records(block: Block) -> Sequence[Mapping[str, Any]]:
    if block.batch is None:
        return [row.fields for row in block.rows]
    from aembed.jobs.arrow_values import plain_records

    return plain_records(block.batch)
