"""The files of an input: from names, directories and globs to files that can be read several times."""

from __future__ import annotations

import glob
import os
import stat
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO, TypeAlias

import anyio.to_thread
from xxhash import xxh3_128

from aembed.jobs.columns import Columns
from aembed.jobs.errors import JobInputError
from aembed.jobs.reading import InputFormat
from aembed.jobs.spool import keep_stream, reading_errors
from aembed.jobs.streams import COMPRESSED

STANDARD_INPUT = "-"
HASH_BYTES = 2**16

ENDINGS: dict[str, InputFormat] = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "csv",
    "parquet": "parquet",
    "pq": "parquet",
}
"""Any other file is read as text."""
IN_DIRECTORIES = {*ENDINGS, "txt", "text", "md"}
"""Endings of the files that a directory is searched for."""


@dataclass(frozen=True, slots=True)
class OpenInput:
    """An input that is open already: a binary file on disk, and its name in messages. The job does not close it."""

    name: str
    file: BinaryIO


Input: TypeAlias = str | PathLike[str] | OpenInput
Inputs: TypeAlias = Input | Sequence[Input]
"""A file, a directory, a glob, ``"-"`` for standard input, an open file, or several of them."""


@dataclass(slots=True)
class InputFile:
    """One file of ``size`` bytes: bytes appended later are not read."""

    name: str
    path: Path | None
    file: BinaryIO | None = None
    """The open file where there is one; else ``path`` is opened for each reading."""
    size: int = 0
    columns: Columns = field(default_factory=Columns)
    borrowed: bool = False

    @property
    def ending(self) -> str:
        """The ending that says the format, without that of a compression."""
        parts = self.name.lower().split(".")
        return parts[-2] if len(parts) > 2 and parts[-1] in COMPRESSED else parts[-1]

    @contextmanager
    def opened(self) -> Generator[BinaryIO, None, None]:
        """The file from its start."""
        with reading_errors(self.name):
            if self.file is not None:
                self.file.seek(0)
                yield self.file
            else:
                assert self.path is not None, "it has one of the two"
                with self.path.open("rb") as file:
                    yield file

    def state(self) -> tuple[int, int]:
        """Size in bytes and time of the last write: a file whose state is the same has not changed."""
        with self.opened() as file:
            status = os.fstat(file.fileno())
        return status.st_size, status.st_mtime_ns

    def fingerprint(self, size: int) -> Iterator[str]:
        """The hash of the first ``size`` bytes, in several steps; the last step has it."""
        digest, left = xxh3_128(), size
        with self.opened() as file:
            while left and (block := file.read(min(left, HASH_BYTES))):
                digest.update(block)
                left -= len(block)
                if left // HASH_BYTES % 64 == 63:
                    yield ""
        yield digest.hexdigest()

    def close(self) -> None:
        if self.file is not None and not self.borrowed:
            self.file.close()


def names_of(given: Inputs) -> list[str]:
    """The names as they were given."""
    return [each.name if isinstance(each, OpenInput) else fspath(each) for each in _listed(given)]


async def open_inputs(given: Inputs, *, outputs: Sequence[Path], asked: str | None) -> list[InputFile]:
    """Open the input, however many files it is; copy a stream that can be read only once to a temporary file.

    ``outputs`` and the files that belong to them are no part of a directory or glob.

    Raises:
        JobInputError: a file cannot be read, or is neither a file nor a pipe.
    """
    files: list[InputFile] = []
    try:
        for each in _listed(given):
            async for file in _opened(each, outputs, asked):
                files.append(file)  # noqa: PERF401 (those that are open are closed if the next cannot be)
        if len(files) == 1 and files[0].path is not None:  # an open file stays the same if its name changes
            with reading_errors(files[0].name):
                files[0].file = files[0].path.open("rb")
        for file in files:
            file.size = file.state()[0]
    except BaseException:  # Ctrl-C too: the files have no other owner yet
        for file in files:
            file.close()
        raise
    if files:
        return files
    raise JobInputError("no input is given; name a file, or - for standard input")


def _listed(given: Inputs) -> Sequence[Input]:
    return given if isinstance(given, Sequence) and not isinstance(given, str) else [given]


async def _opened(given: Input, outputs: Sequence[Path], asked: str | None) -> AsyncIterator[InputFile]:
    if isinstance(given, OpenInput):
        yield InputFile(given.name, None, given.file, borrowed=True)
    elif fspath(given) == STANDARD_INPUT:
        if sys.stdin is None:
            raise JobInputError("standard input is closed; name a file instead of -")
        yield InputFile("standard input", None, await keep_stream(sys.stdin.buffer, "standard input"))
    else:
        for name in await anyio.to_thread.run_sync(_expand, fspath(given), outputs, asked):
            file = await anyio.to_thread.run_sync(_open, name)
            yield file if isinstance(file, InputFile) else InputFile(name, None, await _keep_pipe(file, name))


def _expand(name: str, outputs: Sequence[Path], asked: str | None) -> list[str]:
    """The files of a name, sorted."""
    path = Path(name)
    if path.is_dir():
        found = sorted(str(each) for each in path.rglob("*") if _belongs(each, path, outputs, asked))
        if not found:
            raise JobInputError(f"{name} is a directory without a file to read; name a file, or give input_format")
        return found
    if glob.has_magic(name) and not path.exists():
        found = sorted(
            each for each in glob.glob(name, recursive=True) if Path(each).is_file() and not _is_of(Path(each), outputs)
        )
        if not found:
            raise JobInputError(f"no file matches {name}; check the pattern")
        return found
    return [name]


def _belongs(path: Path, directory: Path, outputs: Sequence[Path], asked: str | None) -> bool:
    parts = path.relative_to(directory).parts
    if any(part.startswith((".", "_")) or part.endswith((".job", ".rejects.jsonl")) for part in parts):
        return False
    if _is_of(path, outputs):
        return False
    return path.is_file() and (asked is not None or InputFile(path.name, path).ending in IN_DIRECTORIES)


def _is_of(path: Path, outputs: Sequence[Path]) -> bool:
    """True if a job writes it: the output, its rejects, its working directory."""
    real = Path(os.path.realpath(path))
    return any(
        each.parent == output.parent and (each == output or each.name.startswith(f"{output.name}."))
        for output in outputs
        for each in (real, *real.parents)
    )


def _open(name: str) -> InputFile | int:
    """The file, or the descriptor of one whose size is not known."""
    path = Path(name)
    with reading_errors(name):
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size:
            return InputFile(name, path)
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISREG(status.st_mode):  # what says 0 bytes may still have some
            return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # or this would wait for a writer
    raise JobInputError(f"{name} is neither a file nor a pipe; name a file, or - for standard input")


async def _keep_pipe(descriptor: int, name: str) -> BinaryIO:
    with open(descriptor, "rb", buffering=0) as pipe:  # noqa: ASYNC230 (it is open already)
        return await keep_stream(pipe, name)
