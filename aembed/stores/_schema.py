"""The schema of a cache's SQLite file: whose file it is, and whether it is the file that aembed made.

A file may come from any program. One that claims to be a cache must have exactly the schema of one: no view, trigger or
other index, which could make a lookup run for ever, or say anything.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aembed._errors import ConfigError

APPLICATION = 0x61654D42  # "aeMB"
VERSION = 2
SCHEMA = (
    """CREATE TABLE vectors (
        id INTEGER PRIMARY KEY,  -- one more than all before: the clock
        key BLOB NOT NULL,
        used INTEGER NOT NULL,   -- the clock at the latest noted use
        checksum BLOB NOT NULL,
        row BLOB NOT NULL        -- float32, little-endian
    )""",
    "CREATE INDEX by_use ON vectors (used)",
    "CREATE TABLE places (digest INTEGER PRIMARY KEY, id INTEGER NOT NULL)",
    "CREATE TABLE recent_places (digest INTEGER PRIMARY KEY, id INTEGER NOT NULL)",
)
PAGE_BYTES = 8192
"""Rows of 384 and 1536 numbers fill it better than SQLite's 4096, and reading is no slower."""
LOG_BYTES = 2**26
"""The log is copied into the file when it has so much, and cut back to it after a large write."""
PAGES_IN_MEMORY = 2**25
"""Bytes: those of the index of keys of a million rows."""
LOOK_AGAIN_INSTRUCTIONS = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock: a tenth of a millisecond or so."""
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def create(path: Path) -> None:
    """An empty file that only its owner may read; SQLite would make it readable for all."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.is_symlink() and not path.exists():
            raise ConfigError(f"the cache {str(path)!r} is a link to a file that does not exist; remove it") from None
    except OSError as error:
        raise ConfigError(f"the cache {str(path)!r} cannot be made: {error.strerror}; check its directory") from error
    if not path.is_file():  # a directory, a pipe
        raise cannot_open(path, "unable to open: it is not a file")


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Check the file's owner, give an empty one its tables, and set it up for many readers next to a writer."""
    try:
        if _owner(db) not in (APPLICATION, None):
            raise ConfigError(f"{str(path)!r} is not a cache of aembed's, and is left as it is; name another path")
        if pragma(db, "user_version") > VERSION:
            raise ConfigError(f"the cache {str(path)!r} is of a later aembed; upgrade, or name another path")
        if pragma(db, "user_version") < VERSION:
            _make_tables(db)
        elif not _is_as_made(db):
            raise ConfigError(f"{str(path)!r} has not the tables of a cache, and is left as it is; name another path")
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA synchronous = NORMAL")  # the latest writes may be lost with the power, but nothing breaks
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        db.execute(f"PRAGMA cache_size = -{PAGES_IN_MEMORY // 1024}")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // PAGE_BYTES}")
        with suppress(sqlite3.OperationalError):  # another process is at it, or has to wait until it is its turn
            db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise
        raise cannot_open(path, error) from error


def _owner(db: sqlite3.Connection) -> int | None:
    """The application id in the file: 0 if there is none, ``None`` for an empty file."""
    try:
        owner = pragma(db, "application_id")
        if owner == 0 and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return 0
        raise
    return owner


def _is_as_made(db: sqlite3.Connection) -> bool:
    """True if there is exactly :data:`SCHEMA`, without another view, trigger, table or index."""
    there = {" ".join(sql.split()) for (sql,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    return there == {" ".join(statement.split()) for statement in SCHEMA}


def _make_tables(db: sqlite3.Connection) -> None:
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    with transaction(db):
        if pragma(db, "user_version") == VERSION:
            return  # another process was first
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            db.execute(f'DROP TABLE "{table}"')
        for statement in SCHEMA:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def pragma(db: sqlite3.Connection, name: str) -> int:
    return db.execute(f"PRAGMA {name}").fetchone()[0]  # type: ignore[no-any-return]


def cannot_open(path: Path, error: sqlite3.Error | str) -> ConfigError:
    return ConfigError(f"the cache {str(path)!r} cannot be opened: {error}; mend that, or name another path")


def is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


@contextmanager
def limited(db: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Interrupt longer statements, with ``sqlite3.OperationalError``. Waiting for a lock has another limit."""
    end = time.monotonic() + seconds
    db.set_progress_handler(lambda: time.monotonic() > end, LOOK_AGAIN_INSTRUCTIONS)
    try:
        yield
    finally:
        db.set_progress_handler(None, 0)
