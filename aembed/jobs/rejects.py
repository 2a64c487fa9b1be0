"""Rows without a vector, with the reasons. The list holds no text."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from aembed.jobs.json_values import as_json
from aembed.jobs.rows import Row


class RejectedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rejected row in the file of rejects."""

    row: int
    id: Any
    error: str
    message: str
    file: str | None = None
    piece: int | None = None


class RejectsFile:
    """A line of JSON for each: ``row``, ``id``, ``error``, ``message``; ``file`` where the input has several."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, row: Row, error: str, message: str, file: str = "") -> None:
        where = {"file": file} if file else {}
        piece = {} if row.piece is None else {"piece": row.piece}
        record = {**where, "row": row.number, "id": row.id, **piece, "error": error, "message": message}
        self._file.write(msgspec.json.encode(record, enc_hook=as_json) + b"\n")

    def close(self) -> None:
        self._file.close()


def is_rejects_file(path: Path) -> bool:
    """True if every line is one that aembed writes."""
    decoder = msgspec.json.Decoder(RejectedRow)
    try:
        with path.open("rb") as file:
            return all(decoder.decode(line) is not None for line in file) and file.tell() > 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
