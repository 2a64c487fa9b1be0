"""The rows in the SQLite file of a cache: their age, their size, and whether they are whole.

A row's age is counted in rows written since it was written or used. Use is noted only for rows that have grown older
than a sixteenth of what the file can hold, and written down with the next rows that are put, or at the end: reading
waits for no lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_digest

from aembed._types import Vectors
from aembed.stores._places import RowPlace, add_places, digest, remove_rows, rows_at, settle_places
from aembed.stores._schema import cannot_open, create, is_damage, limited, pragma, prepare, transaction

LOCK_TIMEOUT_S = 5.0
"""Seconds to wait for another process that writes."""
KEYS_PER_SELECT = 500
"""Keys in one statement; faster than one by one, and as fast as a temporary table."""
ROWS_PER_INSERT = 1000
"""Rows between two looks at the size."""
ROWS_PER_DELETE = 10_000
"""Rows whose keys are in memory while room is made."""
MAX_ROW_BYTES = 4 * 2**16
"""Bytes of 65,536 dimensions. No model gives a longer row, so that it is not loaded."""
MAX_CLOCK = 2**62
"""More uses than any cache counts in its life."""
READ_TIMEOUT_S, WRITE_TIMEOUT_S = 10.0, 60.0
"""Seconds that the statements of a lookup, and of a write, may take before they are interrupted."""
MAX_FILL_SHARE = 0.85
"""Part of the bound from which a file counts as full; less than the pages that deleted rows leave."""
ADMIT_ONE_IN = 16
"""A full file takes one of so many new rows."""
ROW_OVERHEAD_BYTES = 100
"""Bytes, about: key, checksum, numbers, and the indexes."""


class CacheFile:
    """Used by one thread only."""

    def __init__(self, path: Path, max_bytes: int | None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._used: set[int] = set()
        self._bad: set[RowPlace] = set()
        self.dropped = 0
        """Rows that were dropped, or evicted."""

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
            with limited(db, READ_TIMEOUT_S):
                for start in range(0, len(keys), KEYS_PER_SELECT):
                    found.update(self._read(db, keys[start : start + KEYS_PER_SELECT]))
        if dim is None:
            dim = next((len(found[key]) // 4 for key in keys if key in found), 0)
        positions = [i for i, key in enumerate(keys) if key in found and len(found[key]) == 4 * dim]
        rows = bytearray().join([found[keys[i]] for i in positions])
        vectors = np.frombuffer(rows, "<f4").astype(np.float32, copy=False).reshape(len(positions), dim)
        return np.array(positions, np.intp), vectors

    def put(self, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        with self._begun_anew_if_damaged():
            db = self.open()
            with limited(db, WRITE_TIMEOUT_S), transaction(db):
                self._note_use(db)
                settle_places(db)
                for start in range(0, len(keys), ROWS_PER_INSERT):
                    some = slice(start, start + ROWS_PER_INSERT)
                    self._add(db, keys[some], vectors[some])
            self._used.clear()
            self._bad.clear()

    def close(self) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        with closing(db):
            if self._used or self._bad:
                with suppress(sqlite3.Error), transaction(db):
                    self._note_use(db)

    def _read(self, db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        now = _clock(db)
        asked = {digest(key): key for key in keys}
        found: dict[bytes, bytes] = {}
        newest: dict[bytes, int] = {}
        columns = f"digest, id, CAST(key AS BLOB), used, checksum, iif(length(row) <= {MAX_ROW_BYTES}, row, NULL)"
        statement = f"SELECT {columns} FROM ({rows_at(len(asked))})"  # noqa: S608
        for place, number, key, used, checksum, row in db.execute(statement, (*asked, *asked)):
            if key != asked[place]:
                if digest(key) != place:
                    self._bad.add((place, number))
            elif type(row) is not bytes or type(used) is not int or checksum != _checksum(place, row):
                self._bad.add((place, number))
            elif newest.get(key, 0) < number:
                found[key], newest[key] = row, number
                if self._max_bytes is not None and (now - used) * 16 * len(row) > self._max_bytes:
                    self._used.add(number)
        return found

    def _note_use(self, db: sqlite3.Connection) -> None:
        now = _clock(db)
        db.executemany("UPDATE vectors SET used = ? WHERE id = ?", [(now, number) for number in self._used])
        remove_rows(db, self._bad)

    def _add(self, db: sqlite3.Connection, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Write rows. A file that is nearly full takes one new row of sixteen, by lot.

        Texts that come again and again get in, and a scan of more than it holds finds most of that the next time.
        """
        if self._max_bytes is not None:
            taken, row_bytes = _taken(db), vectors.shape[1] * 4 + ROW_OVERHEAD_BYTES
            room = int(max(0, MAX_FILL_SHARE * self._max_bytes - taken) / row_bytes)
            if room < len(keys):
                late = np.flatnonzero(np.random.default_rng().random(len(keys) - room) < 1 / ADMIT_ONE_IN) + room
                chosen = [*range(room), *late.tolist()]
                self.dropped += len(keys) - len(chosen)
                keys, vectors = [keys[at] for at in chosen], vectors[chosen]
                if taken + row_bytes * len(keys) > self._max_bytes:
                    self._make_room(db, self._max_bytes, taken, row_bytes * len(keys))
        _write(db, keys, [row.tobytes() for row in vectors])

    def _make_room(self, db: sqlite3.Connection, max_bytes: int, taken: int, wanted: int) -> None:
        """Delete the rows not used for longest, for ``wanted`` bytes more: a tenth beyond those."""
        rows = db.execute("SELECT count(*) FROM vectors").fetchone()[0]
        most = 0.9 * max_bytes
        count = int(rows * min(1.0, (taken + wanted - most) / taken)) + 1
        while count > 0:
            some = min(count, ROWS_PER_DELETE)
            oldest = db.execute("SELECT id, CAST(key AS BLOB) FROM vectors ORDER BY used, id LIMIT ?", (some,))
            removed = [(digest(key), number) for number, key in oldest]
            remove_rows(db, removed)
            self.dropped += len(removed)
            count = count - len(removed) if removed else 0

    def _connect(self) -> sqlite3.Connection:
        create(self._path)
        self._inode = self._path.stat().st_ino
        try:
            db = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise cannot_open(self._path, error) from error
        try:
            prepare(db, self._path)
        except BaseException:  # Ctrl-C too: the connection has no other owner yet
            db.close()
            raise
        return db

    @contextmanager
    def _begun_anew_if_damaged(self) -> Iterator[None]:
        """A damaged cache is an empty one. The file is kept next to the new one, until the next is damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._path.stat().st_ino == self._inode:  # else another process has done it
                self._path.replace(f"{self._path}.damaged")
                for end in ("-wal", "-shm"):
                    Path(f"{self._path}{end}").unlink(missing_ok=True)
            self._db = self._connect()


def _taken(db: sqlite3.Connection) -> int:
    """Bytes of the file that are in use."""
    page_bytes, pages, free = (pragma(db, name) for name in ("page_size", "page_count", "freelist_count"))
    return (pages - free) * page_bytes


def _write(db: sqlite3.Connection, keys: Sequence[bytes], rows: Sequence[bytes]) -> None:
    latest = dict(zip(keys, rows, strict=True))
    places = [(digest(key), number) for number, key in enumerate(latest, _clock(db) + 1)]
    db.executemany(
        "INSERT INTO vectors (id, used, key, checksum, row) VALUES (?, ?, ?, ?, ?)",
        [
            (number, number, key, _checksum(place, row), row)
            for (place, number), (key, row) in zip(places, latest.items(), strict=True)
        ],
    )
    add_places(db, sorted(places))


def _checksum(place: int, row: bytes) -> bytes:
    """Checksum of the row in its place: a row under another key is as wrong as a changed one."""
    return xxh3_64_digest(row, place % 2**64)


def _clock(db: sqlite3.Connection) -> int:
    now: int = db.execute("SELECT ifnull(max(id), 0) FROM vectors").fetchone()[0]
    if now > MAX_CLOCK:
        raise sqlite3.DatabaseError("the cache counts more rows than were written; delete the file")
    return now
