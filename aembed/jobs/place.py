"""Where a job works: a directory beside the output, for as long as the output is not complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aembed import AembedError
from aembed.jobs.errors import JobOutputError

OutputFormat: TypeAlias = Literal["npy", "jsonl", "parquet"]

ENDINGS: dict[str, OutputFormat] = {
    ".npy": "npy",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
SPARE = 1 << 20
"""Bytes to leave free: a file system needs some for itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one job. ``name`` is the output as the user calls it."""

    name: str
    output: Path
    format: OutputFormat

    @property
    def is_placed(self) -> bool:
        """True if the output may be in its place, and nothing but the journal be left."""
        return self.journal.exists() and not self.vectors.exists() and self.output.exists()

    @property
    def directory(self) -> Path:
        return self.output.with_name(f"{self.output.name}.job")

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    @property
    def vectors(self) -> Path:
        return self.directory / "vectors.npy"

    @property
    def assembled(self) -> Path:
        """The output to be, where that is more than the vectors."""
        return self.directory / "output"

    @property
    def new_rejects(self) -> Path:
        return self.directory / "rejects.jsonl"

    @property
    def rejects(self) -> Path:
        return self.output.with_name(f"{self.output.name}.rejects.jsonl")

    def finish(self, *, rejected: bool) -> None:
        """Put output and rejects in their places. The output comes last: once it is there, all is."""
        if rejected:
            self.new_rejects.replace(self.rejects)
        else:
            self.rejects.unlink(missing_ok=True)
        (self.vectors if self.format == "npy" else self.assembled).replace(self.output)
        sync_directory(self.output.parent)

    def clear(self) -> None:
        """Remove what the job worked with; the journal last, for it says that the output is complete."""
        for path in (self.new_rejects, self.assembled, self.vectors, self.journal):
            path.unlink(missing_ok=True)

    def check_space(self, rows: int, dim: int) -> None:
        """Refuse vectors that the disk cannot hold, before any is paid for.

        Raises:
            JobOutputError: there is too little space.
        """
        free, needed = shutil.disk_usage(self.directory).free, rows * dim * 4
        if needed + SPARE > free:
            raise JobOutputError(
                f"no space for {self.name}: {rows} x {dim} float32 take {_size(needed)}, and {_size(free)} "
                "are free there; free some, or choose another place"
            )


def choose_place(name: str, sources: Sequence[str] = ()) -> Place:
    """Refuse what cannot become the output, before anything is read or asked.

    Raises:
        JobOutputError: no known format, a directory or a device, no directory to write to, or the input itself.
    """
    path = Path(name)
    with output_errors(name):
        if path.is_dir():
            raise JobOutputError(f"the output {name} is a directory; name a file in it: {path / 'vectors.npy'}")
        if path.suffix.lower() not in ENDINGS:
            raise JobOutputError(f"the output {name} does not end in .npy, .jsonl or .parquet; try vectors.npy")
        if not path.parent.is_dir():
            raise JobOutputError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")
        if path.exists():
            if not path.is_file():
                raise JobOutputError(f"the output {name} is not a regular file; choose another name")
            if any(os.path.exists(source) and path.samefile(source) for source in sources):
                raise JobOutputError(f"the output {name} is the input itself; choose another name")
            if not os.access(path, os.W_OK):
                raise JobOutputError(f"the output {name} is write-protected; remove it, or choose another name")
    return Place(name, Path(os.path.realpath(path)), ENDINGS[path.suffix.lower()])


@contextmanager
def occupied(place: Place) -> Generator[None, None, None]:
    """Make the directory, and let no other process work in it meanwhile.

    Raises:
        JobOutputError: it cannot be made, or another process is at work.
    """
    with output_errors(place.name):
        place.directory.mkdir(exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    lock = os.open(place.directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobOutputError(
                f"another process is at work on {place.name}; wait for it, or choose another output"
            ) from None
        yield
    finally:
        os.close(lock)


def leave(place: Place) -> None:
    """Remove the directory, unless there is something in it."""
    with suppress(OSError):
        place.directory.rmdir()


@contextmanager
def output_errors(name: str) -> Generator[None, None, None]:
    """Errors of the system, as sentences."""
    try:
        yield
    except AembedError:  # some of them are timeouts, and so OSErrors
        raise
    except OSError as error:
        raise JobOutputError(f"the output {name} {why(error)}") from None


def why(error: OSError) -> str:
    """What the system says against writing, and what to do."""
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"cannot be written: {error.strerror}; raise the limit of open files (ulimit -n)"
    mend = "free some space" if is_full(error) else "check its directory"
    return f"cannot be written: {error.strerror or error}; {mend}, or choose another place"


def is_full(error: OSError) -> bool:
    """True if there is no space left."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def sync_directory(path: Path) -> None:
    """Bring a rename to the disk, where the system knows how."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
