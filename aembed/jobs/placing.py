"""Finished files go from the job's directory to their places. No file that aembed did not write is replaced."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from aembed.jobs.assembly import content, part
from aembed.jobs.directory import JobDirectory
from aembed.jobs.errors import JobOutputError
from aembed.jobs.keys import belong_to, is_keys_file, is_written
from aembed.jobs.paths import KEYS, REJECTS, VECTORS, Output
from aembed.jobs.record import OutputRecord, decode_record
from aembed.jobs.rejects import is_rejects_file

FileState = tuple[int, int]
"""Size and time of a file; zeros where there is none."""


def check_replaceable(outputs: Sequence[Output], replaced: Sequence[FileState], *, force: bool) -> None:
    """Reject an output whose place is taken.

    ``replaced`` are the files that were about to be replaced when the job was last heard of. With ``force`` an output
    may be any file; the files that belong to it must be aembed's all the same.

    Raises:
        JobOutputError: there is a file that aembed did not write, or that was changed since.
    """
    for number, output in enumerate(outputs):
        _check_parts(output)
        known = number < len(replaced) and tuple(replaced[number]) == state(output)
        if output.path.exists() and not (force or known or is_written(output)):
            raise JobOutputError(
                f"{output.name} exists, and aembed did not write it, or it was changed since; choose another output, "
                "or replace it with force=True"
            )


def is_whole(outputs: Sequence[Output], directory: JobDirectory, record: OutputRecord) -> bool:
    """True if the files that are not in their places yet are as they were written."""
    for number, output in enumerate(outputs):
        name, keys = content(outputs, number, record), part(KEYS, number)
        if directory.has(name):
            written = directory.path / keys if directory.has(keys) else output.keys
            with directory.open(name, "rb") as file:
                if not belong_to(written, file):
                    return False
    return True


def state(output: Output) -> FileState:
    """State of the file that an output would replace."""
    try:
        status = output.path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def put_in_place(outputs: Sequence[Output], directory: JobDirectory, record: OutputRecord) -> None:
    """Each output after the files that belong to it; the file of vectors last of all."""
    mode = 0o666 & ~_umask()
    last: list[tuple[str, Path]] = []
    for number, output in enumerate(outputs):
        pairs = [(part(KEYS, number), output.keys), (part(REJECTS, number), output.rejects)]
        if output.record is not None:
            pairs.append((f"record-{number}", output.record))
        for name, target in pairs:
            if directory.has(name):
                directory.place(name, target, mode)
        if not record.rejected:
            output.rejects.unlink(missing_ok=True)
        name = content(outputs, number, record)
        if name == VECTORS:
            last.append((name, output.path))
        elif directory.has(name):
            directory.place(name, output.path, _mode(output.path, mode))
    for name, target in last:
        directory.place(name, target, _mode(target, mode))


def _check_parts(output: Output) -> None:
    """Reject a file of another program where a companion file of the output must go."""
    checks = [(output.keys, is_keys_file), (output.rejects, is_rejects_file)]
    if output.record is not None:
        checks.append((output.record, _is_record))
    for path, is_ours in checks:
        if path.is_symlink() or (path.exists() and not is_ours(path)):
            raise JobOutputError(
                f"{path} belongs to the output {output.name} by its name, and aembed did not write it; move it away, "
                "or choose another output"
            )


def _is_record(path: Path) -> bool:
    return path.is_file() and decode_record(path.read_bytes()) is not None


def _mode(target: Path, usual: int) -> int:
    """The permissions of the file that is replaced, if there is one."""
    return target.stat().st_mode & 0o777 if target.exists() else usual


def _umask() -> int:
    umask = os.umask(0o077)  # there is no way to read it alone
    os.umask(umask)
    return umask
