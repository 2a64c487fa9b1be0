"""``OUTPUT.job/``: the directory a job works in. No link in it, or in its place, is ever followed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from aembed.jobs.errors import JobOutputError

OpenMode: TypeAlias = Literal["rb", "r+b", "w+b", "a+b"]

FLAGS: dict[OpenMode, int] = {
    "rb": os.O_RDONLY,
    "r+b": os.O_RDWR | os.O_CREAT,
    "w+b": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "a+b": os.O_RDWR | os.O_CREAT | os.O_APPEND,
}
BY_DESCRIPTOR = {os.open, os.unlink, os.rename, os.stat} <= os.supports_dir_fd
"""True where a directory that is open stays the same one if another takes its place (not on Windows)."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
BINARY = getattr(os, "O_BINARY", 0)


class JobDirectory:
    """An open directory, ours alone: mode 0700, and its files 0600. Made by :func:`opened_directory`."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor if BY_DESCRIPTOR else None

    def open(self, name: str, mode: OpenMode, *, buffered: bool = False) -> BinaryIO:
        """A file of the directory, made if there is none.

        Raises:
            JobOutputError: it is a link, or has a second name elsewhere.
        """
        try:
            flags = FLAGS[mode] & ~os.O_TRUNC  # not truncated before it is known to be ours
            file = os.open(self._at(name), flags | NO_LINK | BINARY, 0o600, dir_fd=self._descriptor)
        except OSError:
            if self._is_link(name):
                raise self._foreign(name) from None
            raise
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(file)
            raise self._foreign(name)
        if mode == "w+b":
            os.ftruncate(file, 0)
        return os.fdopen(file, "r+b" if mode == "w+b" else mode, -1 if buffered else 0)

    def names(self) -> list[str]:
        return sorted(os.listdir(self._descriptor if self._descriptor is not None else self.path))

    def has(self, name: str) -> bool:
        return name in self.names()

    def unlink(self, *names: str) -> None:
        """Remove files, where they are there."""
        for name in names:
            with suppress(FileNotFoundError):
                os.unlink(self._at(name), dir_fd=self._descriptor)

    def place(self, name: str, target: Path, mode: int) -> None:
        """Put a finished file where it belongs, in one step, with the permissions ``mode``."""
        with self.open(name, "r+b") as file:
            os.fsync(file.fileno())
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
        os.replace(self._at(name), target, src_dir_fd=self._descriptor)
        sync_directory(target.parent)

    def sync(self) -> None:
        """Sync the names of new files to the disk."""
        sync_directory(self.path)

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)

    def _is_link(self, name: str) -> bool:
        with suppress(OSError):
            return stat.S_ISLNK(os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False).st_mode)
        return False

    def _foreign(self, name: str) -> JobOutputError:
        return JobOutputError(f"{self.path / name} is not a file of aembed's, but a link; remove it, and run again")


@contextmanager
def opened_directory(path: Path, name: str, known: Callable[[str], bool]) -> Generator[JobDirectory, None, None]:
    """Make the directory if there is none, let no other process work in it, and remove it if it is left empty.

    ``name`` is the output it belongs to, and ``known`` says which files may be in it.

    Raises:
        JobOutputError: it is a link, or not aembed's, or another process is at work.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    if path.is_symlink() or not path.is_dir():
        raise JobOutputError(f"{path} is not a directory of aembed's; move it away, or choose another output")
    if os.name == "nt":
        directory = JobDirectory(path, None)
        _check_names(directory, known)
        try:
            yield directory
        finally:
            _leave(path)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | NO_LINK)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise JobOutputError(f"{path} belongs to another user; remove it, or choose another output")
        _lock(descriptor, name)
        directory = JobDirectory(path, descriptor)
        _check_names(directory, known)
        os.fchmod(descriptor, 0o700)
        yield directory
    finally:
        os.close(descriptor)
        _leave(path)


def _check_names(directory: JobDirectory, known: Callable[[str], bool]) -> None:
    foreign = [name for name in directory.names() if not known(name)]
    if foreign:
        raise JobOutputError(
            f"{directory.path} holds {foreign[0]!r}, which is not aembed's; move it away, or choose another output"
        )


def _lock(descriptor: int, name: str) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JobOutputError(f"another process is at work on {name}; wait for it, or choose another output") from None


def _leave(path: Path) -> None:
    with suppress(OSError):  # the directory is not empty
        path.rmdir()


def sync_directory(path: Path) -> None:
    """Sync names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
