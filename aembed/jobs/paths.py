"""The files of a job: its outputs, the files that belong to each, and the directory it works in."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aembed import AembedError
from aembed.jobs.errors import JobError, JobOutputError, JobStoppedError

OutputFormat: TypeAlias = Literal["npy", "jsonl", "parquet"]

ENDINGS: dict[str, OutputFormat] = {
    ".npy": "npy",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}

JOURNAL, VECTORS, EARLIER = "journal", "vectors.npy", "earlier.npy"
"""In the job's directory: the journal, the vectors, and those taken over from an earlier output."""
KEYS, REJECTS = "keys", "rejects.jsonl"

_PARTS = re.compile(r"journal|vectors\.npy|earlier\.npy|(output|record|keys|rejects\.jsonl)(-\d+)?")


def is_part(name: str) -> bool:
    """True for the name of a file that a job makes in its directory."""
    return _PARTS.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Output:
    """One output, and the files that belong to it. ``name`` is what the user calls it."""

    name: str
    path: Path
    format: OutputFormat

    @property
    def record(self) -> Path | None:
        """Record of its making, for formats that cannot hold it themselves."""
        return None if self.format == "parquet" else self._next_to_it("json")

    @property
    def keys(self) -> Path:
        """A digest of each row's text, so that an update knows which ones have changed."""
        return self._next_to_it("keys")

    @property
    def rejects(self) -> Path:
        return self._next_to_it("rejects.jsonl")

    @property
    def directory(self) -> Path:
        return self._next_to_it("job")

    @property
    def files(self) -> list[Path]:
        """Every file that is written or removed for it."""
        files = [self.path, self.keys, self.rejects]
        return files if self.record is None else [*files, self.record]

    def _next_to_it(self, ending: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{ending}")


@dataclass(frozen=True, slots=True)
class JobPaths:
    """All outputs of a job. It works in the directory of ``home``, one of them."""

    outputs: tuple[Output, ...]
    home: Output

    @property
    def name(self) -> str:
        return self.home.name

    @property
    def directory(self) -> Path:
        return self.home.directory

    @property
    def has_columns(self) -> bool:
        """True if an output has the columns of the input."""
        return any(output.format != "npy" for output in self.outputs)

    def only(self, outputs: Sequence[Output]) -> JobPaths:
        """The job of some of the outputs."""
        return JobPaths(tuple(outputs), self.home if self.home in outputs else outputs[0])

    def files(self) -> Iterator[Path]:
        """Every file that is written or removed."""
        for output in self.outputs:
            yield from output.files
            if output.directory.is_dir():
                yield from output.directory.iterdir()


def choose_paths(names: Sequence[str], sources: Sequence[str] = ()) -> JobPaths:
    """The outputs of these names. A name that cannot be one is rejected before anything is read or sent.

    Raises:
        JobOutputError: no known format, a directory or a device, no directory to write to, two outputs of one name, or
            a file that is an input as well.
    """
    if not names:
        raise JobOutputError("there is no output; name at least one file")
    outputs = tuple(_output(name) for name in names)
    home = next((output for output in outputs if output.directory.exists()), outputs[0])
    paths = JobPaths(outputs, home)
    _check_distinct(outputs)
    for source in sources:
        check_apart(paths, Path(source), f"the input {source}")
    return paths


def check_apart(paths: JobPaths, path: Path, called: str) -> None:
    """Reject a file that the job reads, if the job would write or remove it.

    Raises:
        JobOutputError: it is one of the job's own.
    """
    with output_errors(str(path)):
        for own in paths.files():
            if _is_same(own, path):
                raise JobOutputError(f"{called} is a file that this job writes ({own}); choose another output")


def _output(name: str) -> Output:
    path = Path(name)
    with output_errors(name):
        if path.is_dir():
            raise JobOutputError(f"the output {name} is a directory; name a file in it: {path / 'vectors.npy'}")
        if path.suffix.lower() not in ENDINGS:
            raise JobOutputError(f"the output {name} does not end in .npy, .jsonl or .parquet; try vectors.npy")
        if not path.parent.is_dir():
            raise JobOutputError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")
        if path.is_symlink() and not path.exists():
            raise JobOutputError(f"the output {name} is a link to a file that does not exist; remove the link")
        if path.exists():
            if not path.is_file():
                raise JobOutputError(f"the output {name} is not a regular file; choose another name")
            if not os.access(path, os.W_OK):
                raise JobOutputError(f"the output {name} is write-protected; remove it, or choose another name")
        return Output(name, Path(os.path.realpath(path)), ENDINGS[path.suffix.lower()])


def _check_distinct(outputs: Sequence[Output]) -> None:
    owners: dict[Path, str] = {}
    for output in outputs:
        for path in output.files:
            if path in owners:
                raise JobOutputError(f"{path} is written for {owners[path]} and for {output.name}; choose other names")
            owners[path] = output.name
    devices = {output.path.parent.stat().st_dev for output in outputs}
    if len(devices) > 1:
        raise JobOutputError("the outputs are on several file systems; choose places on one, and move them afterwards")


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


@contextmanager
def output_errors(name: str) -> Generator[None, None, None]:
    """Errors of the system, as sentences."""
    try:
        yield
    except AembedError:  # some of them are timeouts, and so OSErrors
        raise
    except OSError as error:
        raise _output_error(name, error) from None


def _output_error(name: str, error: OSError) -> JobError:
    """A full disk stops the job, which can be resumed; any other error means that the output cannot be there."""
    said = f"the output {name} {why(error)}"
    return JobStoppedError(f"{said}; then run the same job again") if is_full(error) else JobOutputError(said)


def why(error: OSError, done: str = "written") -> str:
    """The system's reason against it, and a remedy."""
    reason = f"cannot be {done}: {error.strerror or error}"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"{reason}; raise the limit of open files (ulimit -n)"
    return f"{reason}; {'free some space' if is_full(error) else 'check its directory'}, or choose another place"


def is_full(error: OSError) -> bool:
    """True if there is no space left, or no descriptor: what another time may have."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE}
