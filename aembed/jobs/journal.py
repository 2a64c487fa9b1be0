"""Progress on disk: a line for each finished chunk, and a checksum for each line.

The first line holds the settings of the job. A line that is torn or damaged counts as not written: its chunk is
embedded again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from xxhash import xxh3_64_hexdigest

from aembed.jobs.directory import JobDirectory
from aembed.jobs.errors import JobChangedError, JobOutputError
from aembed.jobs.paths import JOURNAL

VERSION = 2
HEAD_BYTES = 64
TORN_HEAD = re.compile(rb"[0-9a-f]{0,15}\Z|[0-9a-f]{16}( (\Z|\{))?|\0*\Z")
"""The first bytes of a journal that a crash truncated, or replaced with zeros."""

T = TypeVar("T")


class Header(msgspec.Struct, frozen=True):
    """Input and settings of a job. Other ones make another job."""

    job: int
    rows: int
    dim: int
    input: str
    """The fingerprint of its bytes."""
    settings: dict[str, Any]


class Reject(msgspec.Struct, frozen=True, array_like=True):
    """A row that the provider rejected."""

    index: int
    error: str
    message: str


class JournalEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows ``start`` to ``stop`` are done, and their vectors have this checksum."""

    start: int
    stop: int
    checksum: str
    tokens: int | None = 0
    requests: int = 0
    truncated: int = 0
    rejects: list[Reject] = []
    reused: int = 0
    """Rows whose vector comes from an earlier output."""


class JobTotals(msgspec.Struct, frozen=True):
    """The outputs are whole, and about to be put in their places: their counts."""

    rejected: int
    tokens: int | None
    requests: int
    truncated: int
    reused: int = 0
    replaced: list[tuple[int, int]] = []
    """Size, and time in nanoseconds, of the file in the place of each output; zeros where there is none."""
    kept: int = 0
    """Rows of the first output that the input no longer has."""
    asked: list[str] = []
    """The outputs, and how their vectors are stored."""


class Journal:
    """An append-only file. Reads what an earlier run has left."""

    def __init__(self, directory: JobDirectory) -> None:
        self._directory = directory
        self._path = directory.path / JOURNAL
        self._file = directory.open(JOURNAL, "a+b")

    def begin(self, header: Header) -> bool:
        """Write the header, or compare it with the one that is there. True if there is a job to resume.

        Raises:
            JobChangedError: the journal belongs to another input or other settings, its head is damaged, or it is none.
        """
        if self.is_empty:
            self._check_ours()
            self._file.truncate(0)
            self._write(header)
            self.sync()
            self._directory.sync()  # everything else in the directory came after it
            return False
        earlier = self.header()
        if earlier is None:
            raise JobChangedError(f"the head of {self._path} is damaged; {self._way_out()}")
        _compare(earlier, header, self._way_out())
        if not self._ends_with_its_line():
            self._file.write(b"\n")  # a torn line stays alone
        return True

    def header(self) -> Header | None:
        _, first = next(self._lines(), (0, b""))
        return _decode(first, Header)

    def totals(self) -> JobTotals | None:
        """Counts of the output, if it was whole at the last line of the journal."""
        found = (_decode(line, JobTotals) for _, line in self._lines())
        return next((totals for totals in found if totals is not None), None)

    @property
    def is_over(self) -> bool:
        """True if the directory may be removed without a loss."""
        if not self.is_empty:
            return False
        try:
            self._check_ours()
        except JobChangedError:
            return False
        return True

    @property
    def is_empty(self) -> bool:
        """True if nothing is known to be done."""
        return next(self.entries(), None) is None

    def entries(self) -> Iterator[tuple[int, JournalEntry]]:
        """Finished chunks, as far as they can be read, each with its place for :meth:`entry_at`."""
        for offset, line in self._lines():
            entry = _decode(line, JournalEntry)
            if entry is not None:
                yield offset, entry

    def entry_at(self, offset: int) -> JournalEntry:
        with self._directory.open(JOURNAL, "rb", buffered=True) as file:
            file.seek(offset)
            entry = _decode(file.readline(), JournalEntry)
        assert entry is not None, "it was read from there before"
        return entry

    def append(self, record: JournalEntry | JobTotals) -> int:
        """Add a line, and return its place. Earlier lines on disk stay readable in any case."""
        offset = self._file.seek(0, os.SEEK_END)
        try:
            self._write(record)
        except OSError:
            self._file.truncate(offset)
            raise
        return offset

    def clear(self) -> None:
        """Forget everything but whose directory this is."""
        first = self.header()
        self._file.truncate(0)
        if first is not None:
            self._write(first)

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def _write(self, record: msgspec.Struct) -> None:
        body = msgspec.json.encode(record)
        write_all(self._file, b"%s %s\n" % (xxh3_64_hexdigest(body).encode(), body))

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self._directory.open(JOURNAL, "rb", buffered=True) as file:
            offset = 0
            for line in file:
                yield offset, line
                offset += len(line)

    def _check_ours(self) -> None:
        """Raise for files that are not of a job which had done nothing, or died with its first line half written."""
        with self._directory.open(JOURNAL, "rb", buffered=True) as file:
            head = file.read(HEAD_BYTES)
        others = [name for name in self._directory.names() if name != JOURNAL]
        if not TORN_HEAD.match(head) or (others and not head):
            what = self._path if head else self._path.with_name(others[0])
            raise JobChangedError(
                f"{what} is not aembed's, or the journal next to it is damaged: move {self._path.parent} away, or "
                "choose another output"
            )

    def _ends_with_its_line(self) -> bool:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1) == b"\n"

    def _way_out(self) -> str:
        return f"use the original settings, or delete {self._path.parent} to begin again"


def header_in(directory: Path) -> Header | None:
    """The header of the journal in a directory, if there is one that can be read."""
    try:
        with JobDirectory(directory, None).open(JOURNAL, "rb", buffered=True) as file:
            return _decode(file.readline(), Header)
    except (OSError, JobOutputError):
        return None


def write_all(file: Any, data: Any) -> None:
    """Write to an unbuffered file, which may take only a part at a time."""
    left = memoryview(data).cast("B")
    while left:
        left = left[file.write(left) :]


def _decode(line: bytes, kind: type[T]) -> T | None:
    """The record, or ``None`` if the line is torn, damaged, or something else."""
    checksum, _, body = line.partition(b" ")
    body = body.removesuffix(b"\n")
    if not line.endswith(b"\n") or checksum != xxh3_64_hexdigest(body).encode():
        return None
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8, or a number of 5,000 digits
        return None


def _compare(earlier: Header, now: Header, way_out: str) -> None:
    if earlier.job != now.job:
        raise JobChangedError(f"the journal has version {earlier.job}, and this aembed writes {now.job}; {way_out}")
    before, after = ({**header.settings, "dimensions": header.dim} for header in (earlier, now))
    changed = in_words(before, after, sorted(before.keys() | after.keys()))
    if earlier.input != now.input:
        changed.insert(0, f"the input has changed ({earlier.rows:,} rows then, {now.rows:,} now)")
    if changed:
        raise JobChangedError(f"there is an unfinished job for this output, and {'; '.join(changed)}: {way_out}")


def in_words(before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """The settings that differ."""
    different = [name for name in names if before.get(name) != after.get(name)]
    plain = [name for name in different if name != "identity"]
    changed = [f"{name} was {_shown(before.get(name))} and is {_shown(after.get(name))}" for name in plain]
    if different and not changed:
        changed.append("the model's files or the provider's options have changed")
    return changed


def _shown(setting: object) -> str:
    return "not set" if setting is None else repr(setting)
