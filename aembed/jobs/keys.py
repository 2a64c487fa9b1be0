"""A digest of each row, in a file next to the output: which texts it has vectors for, and whose file it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128, xxh3_128_digest

from aembed.jobs.paths import Output
from aembed.jobs.rows import RowBlock, RowId

VERSION = 1
HEAD_BYTES = 512
EMBEDDED, REJECTED = 0, 1
READ_BYTES = 2**16

ROW = np.dtype([("text", "<u8", 2), ("id", "<u8", 2), ("state", "u1")])
"""Digests of text and id (zero where there is none); whether the row has a vector."""

RowKeys: TypeAlias = NDArray[Any]
"""Records of :data:`ROW`, one for each row of the input, in its order."""


class KeysHead(msgspec.Struct, frozen=True):
    """The first bytes of the file: the output that the rows belong to."""

    aembed_keys: int
    rows: int
    bytes: int
    checksum: str
    mtime_ns: int


class KeysFile:
    """The file while a job writes it."""

    def __init__(self, file: BinaryIO, *, ids: bool) -> None:
        self._file = file
        self._ids = ids
        self._file.seek(HEAD_BYTES)

    def add(self, block: RowBlock) -> RowKeys:
        """Write the keys of the next rows, and return them."""
        keys = np.zeros(len(block.rows), ROW)
        texts = b"".join(map(xxh3_128_digest, map(str.encode, [row.text for row in block.rows])))
        faulty = [at for at, row in enumerate(block.rows) if row.fault]
        keys["text"] = np.frombuffer(texts, "<u8").reshape(-1, 2)
        keys["text"][faulty] = 0
        keys["state"][faulty] = REJECTED
        if self._ids:
            names = b"".join([xxh3_128_digest(id_bytes(row.id)) for row in block.rows])
            keys["id"] = np.frombuffer(names, "<u8").reshape(-1, 2)
        self._file.write(keys.tobytes())
        return keys

    def finish(self, rejected: Iterable[Sequence[int]]) -> None:
        """Note the rows that the provider rejected."""
        for indices in rejected:
            for index in indices:
                self._file.seek(HEAD_BYTES + (index + 1) * ROW.itemsize - 1)
                self._file.write(bytes([REJECTED]))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def id_bytes(name: RowId | None) -> bytes:
    """An id as bytes: 1 and "1" differ."""
    return f"{type(name).__name__}:{name}".encode("utf-8", "replace")


def write_head(file: BinaryIO, content: BinaryIO) -> None:
    """Say whose keys these are: the size, time and checksum of an output that is complete."""
    status = os.fstat(content.fileno())
    rows = max(0, os.fstat(file.fileno()).st_size - HEAD_BYTES) // ROW.itemsize
    head = KeysHead(VERSION, rows, status.st_size, _checksum(content), status.st_mtime_ns)
    file.seek(0)
    file.write(msgspec.json.encode(head).ljust(HEAD_BYTES - 1) + b"\n")


def is_keys_file(path: Path) -> bool:
    """True for a file of this format, of any output."""
    return _head(path) is not None


def is_written(output: Output) -> bool:
    """True if aembed wrote this output, and nothing has changed it since."""
    head = _head(output.keys)
    if head is None:
        return False
    with output.path.open("rb") as content:
        return _is_head_of(head, content)


def belong_to(keys: Path, content: BinaryIO) -> bool:
    """True if these are the keys of an output, and nothing has changed it since."""
    head = _head(keys)
    return head is not None and _is_head_of(head, content)


def _is_head_of(head: KeysHead, content: BinaryIO) -> bool:
    status = os.fstat(content.fileno())
    if status.st_size != head.bytes:
        return False
    return status.st_mtime_ns == head.mtime_ns or _checksum(content) == head.checksum


def read_keys(output: Output) -> RowKeys:
    """The keys of an output, not in memory until they are used."""
    return keys_in(output.keys)


def has_rejected_texts(output: Output) -> bool:
    """True if the provider rejected a row: the others without a vector have no text that could be embedded."""
    keys = read_keys(output)
    return bool(keys["text"][keys["state"] == REJECTED].any())


def keys_in(path: Path) -> RowKeys:
    """The keys in a file, whether it is complete or still without its head."""
    rows = (path.stat().st_size - HEAD_BYTES) // ROW.itemsize
    keys: RowKeys = np.memmap(path, ROW, "r", HEAD_BYTES, (rows,)) if rows > 0 else np.empty(0, ROW)
    return keys


def _head(path: Path) -> KeysHead | None:
    try:
        with path.open("rb") as file:
            encoded = file.read(HEAD_BYTES)
            head = msgspec.json.decode(encoded, type=KeysHead)
            size = os.fstat(file.fileno()).st_size
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None
    return head if head.aembed_keys == VERSION and size == HEAD_BYTES + head.rows * ROW.itemsize else None


def _checksum(content: BinaryIO) -> str:
    digest = xxh3_128()
    content.seek(0)
    while block := content.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()
