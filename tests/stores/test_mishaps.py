"""An error of a file leaves nothing behind: no open transaction, no connection, no log of a damaged file."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import anyio.lowlevel
import pytest

from aembed import ConfigError
from aembed.stores import SQLiteStore, _cache_file
from aembed.stores._cache_file import CacheFile
from tests.stores.cache_file import known, put
from tests.stores.rows import keys, vectors


def test_a_write_that_fails_is_undone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = CacheFile(path, None)
    file.put(keys("a"), vectors("a", 4))
    write = _cache_file._write

    def half(db: sqlite3.Connection, names: list[bytes], rows: list[bytes]) -> None:
        write(db, names[:1], rows[:1])
        raise sqlite3.OperationalError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(_cache_file, "_write", half)
        with pytest.raises(sqlite3.OperationalError, match="the disk is full"):
            file.put(keys("bc"), vectors("bc", 4))
    assert not file.open().in_transaction
    assert file.get(keys("abc"), 4)[0].tolist() == [0]
    file.put(keys("d"), vectors("d", 4))
    assert file.get(keys("abcd"), 4)[0].tolist() == [0, 3]
    file.close()


def find_damage(file: CacheFile) -> None:
    file.open()
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_the_log_of_a_damaged_file_goes_with_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would take it for that of the new file."""
    file = CacheFile(path, None)
    file.put(keys("a"), vectors("a", 4))
    there: list[list[str]] = []
    connect = CacheFile._connect

    def look(self: CacheFile) -> sqlite3.Connection:
        there.append(sorted(each.name for each in path.parent.glob(f"{path.name}*")))
        return connect(self)

    monkeypatch.setattr(CacheFile, "_connect", look)
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").write_bytes(b"left over")
    with file._begun_anew_if_damaged():
        find_damage(file)
    assert there == [[f"{path.name}.damaged"]]
    assert file.get(keys("a"), 4)[0].tolist() == []
    file.close()


def test_a_file_that_cannot_be_used_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (a)")
    other.close()
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*place: object, **options: object) -> sqlite3.Connection:
        made.append(connect(*place, **options))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    with pytest.raises(ConfigError, match="is not a cache of aembed's"):
        CacheFile(path, None).open()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")


async def test_closing_waits_for_a_write_and_other_tasks_run_meanwhile(path: Path) -> None:
    store, going_on = SQLiteStore(path), threading.Event()
    await put(store)
    writing = store._worker.thread.submit(going_on.wait)
    closing = asyncio.create_task(store.aclose())
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    assert not closing.done()
    going_on.set()
    await closing
    assert writing.done()
    async with SQLiteStore(path) as again:
        assert len(await known(again)) == 20
