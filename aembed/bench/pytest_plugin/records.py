"""The JSON file that is kept in git: for each test and setting, the counts of one operation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from aembed import AembedError


class RecordFileError(AembedError):
    """A file of counts that cannot be read."""


class CountRecord(msgspec.Struct, frozen=True):
    """Counts per operation, and the versions they were counted with."""

    python: str
    packages: dict[str, str]
    counts: dict[str, float | None]
    """None for a counter that varies between operations: it is not judged."""


Records: TypeAlias = dict[str, dict[str, CountRecord]]
"""By test, then by setting."""


def read(file: Path) -> Records:
    """Records of ``file``, none if there is no such file; RecordFileError if it holds anything else."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Records)
    except FileNotFoundError:
        return {}
    except (msgspec.DecodeError, OSError) as error:
        raise RecordFileError(
            f"counts cannot be read from {file}: {error}. "
            "Restore the file from git, or delete it and run pytest --async-benchmark-update."
        ) from error


def update(file: Path, new: Mapping[str, Mapping[str, CountRecord]]) -> None:
    """Put ``new`` in place of the same tests and settings; others stay. The file is replaced as a whole."""
    records = read(file)
    for test, settings in new.items():
        records[test] = {**records.get(test, {}), **settings}
    text = msgspec.json.format(msgspec.json.encode(msgspec.to_builtins(_whole(records)), order="deterministic"))
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(text + b"\n")
    os.replace(part, file)


def _whole(records: Records) -> Records:
    """Counts without a fraction as integers, so that a change reads well in a diff."""
    return {
        test: {
            setting: msgspec.structs.replace(
                record,
                counts={name: int(n) if n is not None and n == int(n) else n for name, n in record.counts.items()},
            )
            for setting, record in settings.items()
        }
        for test, settings in records.items()
    }
