"""A ``.npy`` file, written beside its place row by row and put there when it is complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aembed import Vectors
from aembed.cli.errors import CommandError

HEADER_BYTES = 128
SPARE = 1 << 20
"""Bytes to leave free: a file system needs some for itself."""


class NpyFile:
    """Rows of float32, in order. The shape stands in the header, so it is given beforehand."""

    def __init__(self, name: str, file: BinaryIO, rows: int) -> None:
        self.dim: int | None = None
        self.name = name
        self._file = file
        self._rows = rows

    def start(self, dim: int) -> None:
        """Write the header, if that is still to do.

        Raises:
            CommandError: there is no space for all rows.
        """
        if self.dim is not None:
            return
        self.dim = dim
        needed = self._rows * dim * 4 + HEADER_BYTES
        with _sentence(self.name):
            free = shutil.disk_usage(os.path.dirname(self._file.name)).free
            if needed + SPARE > free:
                raise CommandError(
                    f"no space for {self.name}: {self._rows} x {dim} float32 take {_size(needed)}, and {_size(free)} "
                    "are free there; free some, or choose another place with -o"
                )
            header = {"descr": "<f4", "fortran_order": False, "shape": (self._rows, dim)}
            np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, vectors: Vectors) -> None:
        """Add rows. Blocks while the disk does; call it in a thread."""
        with _sentence(self.name):
            self._file.write(vectors.astype("<f4", copy=False).data)

    def finish(self) -> None:
        """Bring everything to the disk: only then is it known that it fits."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


@contextmanager
def open_npy(name: str, rows: int) -> Generator[NpyFile, None, None]:
    """Write beside ``name`` and rename at the end. Whatever goes wrong, nothing is left, and an older file stays.

    Raises:
        CommandError: the place cannot be written to.
    """
    target = Path(os.path.realpath(name))
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    with _sentence(name):
        file = beside.open("xb")
    try:
        output = NpyFile(name, file, rows)
        yield output
        with _sentence(name):
            output.finish()
            beside.replace(target)
    except BaseException:
        with suppress(OSError):
            file.close()  # may fail on the same full disk; the first error is the one to tell
        with suppress(OSError):
            beside.unlink()
        raise


def check_place(name: str, source: str) -> None:
    """Refuse what cannot become the output, before anything is read or asked.

    Raises:
        CommandError: no ``.npy``, a directory or a device, no directory to write to, or the input itself.
    """
    path = Path(name)
    with _sentence(name):
        if path.is_dir():
            raise CommandError(f"the output {name} is a directory; name a file in it: -o {path / 'vectors.npy'}")
        if path.suffix != ".npy":
            raise CommandError(f"the output {name} does not end in .npy, the only format there is; try -o vectors.npy")
        if not path.parent.is_dir():
            raise CommandError(f"the directory {path.parent} does not exist; make it first: mkdir -p {path.parent}")
        if not path.exists():
            return
        if not path.is_file():
            raise CommandError(f"the output {name} is not a regular file; choose another name")
        if os.path.exists(source) and path.samefile(source):
            raise CommandError(f"the output {name} is the input itself; choose another name")
        if not os.access(path, os.W_OK):
            raise CommandError(f"the output {name} is write-protected; remove it, or choose another name")


@contextmanager
def _sentence(name: str) -> Generator[None, None, None]:
    try:
        yield
    except OSError as error:
        mend = "free some space" if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else "check its directory"
        raise CommandError(
            f"the output {name} cannot be written: {error.strerror}; {mend}, or choose another place"
        ) from None


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
