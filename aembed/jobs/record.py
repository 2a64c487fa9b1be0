"""Record of an output's making: in the metadata of Parquet, in a ``.json`` file next to the others."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from aembed.jobs.errors import JobOutputError
from aembed.jobs.paths import ENDINGS, Output

Dtype: TypeAlias = Literal["float32", "float16", "int8", "binary"]

METADATA = b"aembed"
"""Key in the metadata of a Parquet file."""
LARGEST_BYTES = 2**20


class OutputRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record of an output's making."""

    aembed: str
    """Version of aembed."""
    model: str
    """``provider:model``."""
    asked: str | None = None
    """The model as it was asked for: a profile's name, perhaps."""
    revision: str | None = None
    """Version of the model's files, where it is known."""
    dim: int
    dtype: Dtype = "float32"
    limit: float | None = None
    """The number that became 127 in int8."""
    identity: str
    """``Embedder.identity``: everything that decides a vector, as a digest."""
    settings: dict[str, Any] = {}
    """Columns, and the options that change vectors."""
    input: str
    """Fingerprint of the input."""
    source: dict[str, Any] = {}
    """Options to read the input again."""
    rows: int
    """Those of the input, and those that were kept."""
    kept: int = 0
    """Rows at the end that the input no longer had when the output was updated."""
    rejected: int = 0
    truncated: int = 0
    tokens: int | None = None
    requests: int = 0
    retried: list[str] = []
    """``overlong`` of each later run that embedded rejected rows."""

    @property
    def vector_column(self) -> str:
        name: str = self.settings.get("vector_column", "vector")
        return name

    def encoded(self) -> bytes:
        """JSON for people, too."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def read_record(output: str | PathLike[str]) -> OutputRecord:
    """Read the record of an output of :func:`run`.

    Raises:
        JobOutputError: there is no such file, or it has no record.
    """
    path = Path(fspath(output))
    if path.suffix.lower() not in ENDINGS:
        raise JobOutputError(f"{path} does not end in .npy, .jsonl or .parquet; name an output of aembed embed")
    if not path.exists():
        raise JobOutputError(f"{path} does not exist; name an output of aembed embed")
    found = find_record(Output(str(path), path, ENDINGS[path.suffix.lower()]))
    if found is None:
        raise JobOutputError(f"{path} does not say how it was made; only outputs of aembed embed do")
    return found


def find_record(output: Output) -> OutputRecord | None:
    """The record, or ``None`` where there is none that can be read."""
    encoded = _from_parquet(output.path) if output.record is None else _content(output.record)
    return None if encoded is None else decode_record(encoded)


def decode_record(encoded: bytes) -> OutputRecord | None:
    try:
        return msgspec.json.decode(encoded, type=OutputRecord)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES)
    except OSError:
        return None


def _from_parquet(path: Path) -> bytes | None:
    from aembed.jobs.arrow import pyarrow, the_parquet

    try:
        metadata = the_parquet().read_schema(path).metadata or {}
    except (pyarrow().ArrowException, OSError):
        return None
    found: bytes | None = metadata.get(METADATA)
    return found
