"""The SQLite file of a cache: its schema, its age, its size, and whether it is ours and whole.

A row's age is counted in rows written since it was written or used. Use is noted only for rows that have grown older
than a sixteenth of what the file can hold, and written down with the next rows that are put, or at the end: reading
waits for no lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_digest

from aembed._errors import ConfigError
from aembed._types import Vectors

APPLICATION = 0x61654D42  # "aeMB"
VERSION = 1
SCHEMA = (
    """CREATE TABLE vectors (
        id INTEGER PRIMARY KEY,  -- one more than all before: the clock
        key BLOB NOT NULL UNIQUE,
        used INTEGER NOT NULL,   -- the clock at the latest noted use
        checksum BLOB NOT NULL,
        row BLOB NOT NULL        -- float32, little-endian
    )""",
    "CREATE INDEX by_use ON vectors (used)",
)
PAGE_BYTES = 8192
"""Rows of 384 and 1536 numbers fill it better than SQLite's 4096, and reading is no slower."""
LOG_BYTES = 2**24
"""The log is cut back to this after a large write."""
PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
ASKED_AT_ONCE = 500
"""Keys in one statement; faster than one by one, and as fast as a temporary table."""
WRITTEN_AT_ONCE = 1000
"""Rows between two looks at the size."""
BESIDE_A_ROW = 150
"""Bytes, about: key, checksum, numbers, and the two indexes."""
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class CacheFile:
    """Used by one thread only."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._used: set[int] = set()
        self._bad: set[int] = set()

    def open(self) -> sqlite3.Connection:
        """The connection, made if there is none.

        Raises:
            ConfigError: the file cannot be made or used.
        """
        if self._db is None:
            with self._begun_anew_if_damaged():
                self._db = self._connect()
        assert self._db is not None
        return self._db

    def get(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
        found: dict[bytes, bytes] = {}
        with self._begun_anew_if_damaged():
            db = self.open()
            for start in range(0, len(keys), ASKED_AT_ONCE):
                found.update(self._read(db, keys[start : start + ASKED_AT_ONCE]))
        if dim is None:
            dim = next((len(found[key]) // 4 for key in keys if key in found), 0)
        positions = [i for i, key in enumerate(keys) if key in found and len(found[key]) == 4 * dim]
        rows = bytearray().join([found[keys[i]] for i in positions])
        vectors = np.frombuffer(rows, "<f4").astype(np.float32, copy=False).reshape(len(positions), dim)
        return np.array(positions, np.intp), vectors

    def put(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        with self._begun_anew_if_damaged():
            db = self.open()
            with _transaction(db):
                self._note_use(db)
                for start in range(0, len(keys), WRITTEN_AT_ONCE):
                    some = slice(start, start + WRITTEN_AT_ONCE)
                    self._make_room(db, vectors[some].nbytes + BESIDE_A_ROW * len(keys[some]))
                    _write(db, keys[some], [row.tobytes() for row in vectors[some]])
            self._used.clear()
            self._bad.clear()

    def close(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        with closing(db):
            if self._used or self._bad:
                with suppress(sqlite3.Error), _transaction(db):
                    self._note_use(db)

    def _read(self, db: sqlite3.Connection, keys: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        now = _clock(db)
        marks = ", ".join("?" * len(keys))
        statement = f"SELECT id, key, used, checksum, row FROM vectors WHERE key IN ({marks})"  # noqa: S608
        for number, key, used, checksum, row in db.execute(statement, keys):
            if type(row) is not bytes or checksum != _checksum(key, row):
                self._bad.add(number)
                continue
            if (now - used) * 16 * len(row) > self._max_bytes:
                self._used.add(number)
            yield key, row

    def _note_use(self, db: sqlite3.Connection) -> None:
        now = _clock(db)
        db.executemany("UPDATE vectors SET used = ? WHERE id = ?", [(now, number) for number in self._used])
        db.executemany("DELETE FROM vectors WHERE id = ?", [(number,) for number in self._bad])

    def _make_room(self, db: sqlite3.Connection, wanted: int) -> None:
        """Delete the rows not used for longest, if ``wanted`` bytes more would be too many: a tenth beyond those."""
        page_bytes, pages, free = (_pragma(db, name) for name in ("page_size", "page_count", "freelist_count"))
        taken = (pages - free) * page_bytes
        if taken + wanted <= self._max_bytes:
            return
        rows = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
        most = 0.9 * self._max_bytes
        count = int(rows * min(1.0, (taken + wanted - most) / taken)) + 1
        db.execute("DELETE FROM vectors WHERE id IN (SELECT id FROM vectors ORDER BY used, id LIMIT ?)", (count,))

    def _connect(self) -> sqlite3.Connection:
        _create(self._path)
        self._inode = self._path.stat().st_ino
        try:
            db = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
        except sqlite3.Error as error:
            raise _cannot_open(self._path, error) from error
        try:
            _prepare(db, self._path)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _begun_anew_if_damaged(self) -> Iterator[None]:
        """A damaged cache is an empty one. The file is kept beside the new one, until the next is damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._path.stat().st_ino == self._inode:  # else another process has done it
                self._path.replace(f"{self._path}.damaged")
                for end in ("-wal", "-shm"):
                    Path(f"{self._path}{end}").unlink(missing_ok=True)
            self._db = self._connect()


def _create(path: Path) -> None:
    """An empty file that nobody else may read; SQLite would make it readable for all."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_symlink() and not path.exists():
            raise ConfigError(f"the cache {str(path)!r} is a link to a file that does not exist; remove it") from None
    except OSError as error:
        raise ConfigError(f"the cache {str(path)!r} cannot be made: {error.strerror}; check its directory") from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """See whose file it is, give an empty one its tables, and set it up for many readers beside a writer."""
    try:
        if _owner(db) not in (APPLICATION, None):
            raise ConfigError(f"{str(path)!r} is not a cache of aembed's, and is left as it is; name another path")
        if _pragma(db, "user_version") > VERSION:
            raise ConfigError(f"the cache {str(path)!r} is of a later aembed; upgrade, or name another path")
        if _pragma(db, "user_version") < VERSION:
            _make_tables(db)
        db.execute("PRAGMA synchronous = NORMAL")  # the latest writes may be lost with the power, but nothing breaks
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        with suppress(sqlite3.OperationalError):  # another process is at it, or has to wait until it is its turn
            db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            raise
        raise _cannot_open(path, error) from error


def _owner(db: sqlite3.Connection) -> int | None:
    """Whose file it says it is: 0 says nothing, ``None`` is an empty file."""
    try:
        owner = _pragma(db, "application_id")
        if owner == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None
    except sqlite3.DatabaseError as error:
        if _is_damage(error):
            return 0
        raise
    return owner


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    with _transaction(db):
        if _pragma(db, "user_version") == VERSION:
            return  # another process was first
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            db.execute(f'DROP TABLE "{table}"')
        for statement in SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")


def _write(db: sqlite3.Connection, keys: Sequence[bytes], rows: Sequence[bytes]) -> None:
    first = _clock(db) + 1
    db.executemany(
        "INSERT OR REPLACE INTO vectors (id, used, key, checksum, row) VALUES (?, ?, ?, ?, ?)",
        [
            (number, number, key, _checksum(key, row), row)
            for number, (key, row) in enumerate(zip(keys, rows, strict=True), first)
        ],
    )


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _checksum(key: bytes, row: bytes) -> bytes:
    """Of the row in its place: a row under another's key is as wrong as a changed one."""
    return xxh3_64_digest(row, int.from_bytes(key[:8], "little"))


def _clock(db: sqlite3.Connection) -> int:
    return db.execute("SELECT ifnull(max(id), 0) FROM vectors").fetchone()[0]  # type: ignore[no-any-return]


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return db.execute(f"PRAGMA {name}").fetchone()[0]  # type: ignore[no-any-return]


def _cannot_open(path: Path, error: sqlite3.Error) -> ConfigError:
    return ConfigError(f"the cache {str(path)!r} cannot be opened: {error}; mend that, or name another path")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED
