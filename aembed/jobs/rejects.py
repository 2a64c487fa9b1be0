"""The rows that have no vector, and why. No text is among what is written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from aembed.jobs.json_values import as_json
from aembed.jobs.rows import Row


class RejectsFile:
    """A line of JSON for each: ``row``, ``id``, ``error``, ``message``; ``file`` where the input has several."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, row: Row, error: str, message: str, file: str = "") -> None:
        where = {"file": file} if file else {}
        record = {**where, "row": row.number, "id": row.id, "error": error, "message": message}
        self._file.write(msgspec.json.encode(record, enc_hook=as_json) + b"\n")

    def close(self) -> None:
        self._file.close()
