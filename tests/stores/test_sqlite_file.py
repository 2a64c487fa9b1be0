"""Ownership of the file: a foreign file is left alone, and a damaged one is begun anew."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from aembed import ConfigError
from aembed.stores import SQLiteStore
from aembed.stores._schema import APPLICATION, VERSION
from tests.stores.cache_file import DIM, NAMES, known, opened, put
from tests.stores.rows import key, keys, vectors


@pytest.mark.parametrize(
    "change",
    [
        "row = zeroblob(32)",
        "row = substr(row, 1, 28)",
        "row = 'text'",
        "row = 7",
        "checksum = zeroblob(8)",
        "checksum = 1",
        "key = (SELECT key FROM vectors WHERE id = 9), id = 900",
    ],
)
async def test_72_a_changed_row_is_not_known_and_is_deleted(store: SQLiteStore, path: Path, change: str) -> None:
    await put(store)
    with opened(path) as db:
        if "id = 9" in change:
            db.execute("UPDATE vectors SET key = ? WHERE id = 9", (b"\0" * 32,))
            change = f"key = x'{key(8).hex()}'"  # number 5 gets the key of number 8
        db.execute(f"UPDATE vectors SET {change} WHERE id = 5")  # noqa: S608
    changed = {4} | ({8} if "key" in change else set())
    assert set(NAMES) - set(await known(store)) == changed
    await put(store, range(100, 101))
    with opened(path) as db:
        assert not db.execute("SELECT 1 FROM vectors WHERE id = 5").fetchall()
    await put(store)
    assert await known(store) == list(NAMES)


@pytest.mark.parametrize("content", [b"Dear diary, today", b"x" * 5000, b"SQLite format 3\0" + b"\xff" * 4080])
async def test_a_file_that_is_no_cache_is_rejected_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = SQLiteStore(path)
    with pytest.raises(ConfigError, match=r"cache\.db' (is not a cache of aembed's|cannot be opened)"):
        await store.open()
    with pytest.raises(ConfigError):
        await put(store)
    await store.aclose()
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["cache.db"]


async def test_a_foreign_database_is_rejected_and_left_alone(path: Path) -> None:
    with opened(path) as db:
        db.execute("CREATE TABLE vectors (mine)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="not a cache of aembed's, and is left as it is; name another path"):
        await SQLiteStore(path).open()
    assert path.read_bytes() == before


async def test_an_empty_file_is_as_good_as_none(path: Path) -> None:
    path.touch()
    async with SQLiteStore(path) as store:
        await put(store)
        assert await known(store) == list(NAMES)


async def test_an_older_cache_is_emptied(path: Path) -> None:
    with opened(path) as db:
        db.execute("CREATE TABLE vectors (old)")
        db.execute("CREATE TABLE others (old)")
        db.execute(f"PRAGMA application_id = {APPLICATION}")
    async with SQLiteStore(path) as store:
        assert await known(store) == []
        await put(store)
        assert await known(store) == list(NAMES)


async def test_a_cache_of_a_later_version_is_rejected(path: Path) -> None:
    async with SQLiteStore(path) as store:
        await put(store)
    with opened(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ConfigError, match="is of a later aembed; upgrade, or name another path"):
        await SQLiteStore(path).open()
    with opened(path) as db:
        assert db.execute("SELECT count(*) FROM vectors").fetchone() == (len(NAMES),)


@pytest.mark.parametrize("path", ["missing/cache.db", "."])
async def test_a_path_that_cannot_be_a_file(path: str) -> None:
    with pytest.raises(ConfigError, match=r"the cache .* cannot be (made: No such file|opened: unable to open)"):
        await SQLiteStore(path).open()


def damage(path: Path, *, behind: int = 8192) -> None:
    """Garbage behind the first page, or behind the header."""
    content = path.read_bytes()
    path.write_bytes((content[:behind] + bytes(range(256)) * (len(content) // 256))[: len(content)])


@pytest.mark.parametrize("behind", [100, 8192])
async def test_72_a_damaged_cache_is_moved_aside_and_begun_anew(path: Path, behind: int) -> None:
    async with SQLiteStore(path) as store:
        await put(store)
    damage(path, behind=behind)
    async with SQLiteStore(path) as store:
        assert await known(store) == []
        await put(store)
        assert await known(store) == list(NAMES)
    assert sorted(file.name for file in path.parent.iterdir()) == ["cache.db", "cache.db.damaged"]


async def test_72_a_cache_damaged_while_it_is_open(path: Path) -> None:
    names = range(3000)
    async with SQLiteStore(path) as store, SQLiteStore(path) as other:
        await put(store, names)
        await known(other, NAMES)
        with opened(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage(path)
        for each in (store, other):
            await each.put_many(keys(names), vectors(names, DIM))  # found out now, or
            await each.get_many(keys(names), DIM)  # now
        await put(other)
        assert await known(store) == list(NAMES)  # both have the new one
    assert path.with_name("cache.db.damaged").exists()


async def test_a_file_taken_away_costs_its_rows_only(store: SQLiteStore, path: Path) -> None:
    await put(store)
    for file in list(path.parent.iterdir()):
        file.unlink()
    await put(store)
    assert await known(store) == list(NAMES)


async def test_entering_makes_the_file(path: Path) -> None:
    async with SQLiteStore(path):
        assert path.exists()


@pytest.mark.parametrize(("since", "noted"), [(16, False), (17, True)])
async def test_a_use_is_noted_once_a_sixteenth_of_the_bound_was_written_since(
    path: Path, since: int, noted: bool
) -> None:
    """Rows of 4 KiB in a bound of a mebibyte: the order of eviction is right to within a sixteenth, for few writes."""
    async with SQLiteStore(path, max_bytes=2**20) as store:
        await put(store, range(1), 1024)
        await put(store, range(100, 100 + since), 1024)
        assert await known(store, range(1), 1024) == [0]
        await put(store, range(200, 201), 1024)
    with opened(path) as db:
        (used,) = db.execute("SELECT used FROM vectors WHERE key = ?", keys(range(1))).fetchone()
    assert used == (1 + since if noted else 1)


# ---- hostile files

HOSTILE = {
    "a view instead of the table": """
        DROP TABLE vectors;
        CREATE VIEW vectors AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
        SELECT id, x'00' AS key, 1 AS used, x'00' AS checksum, x'00' AS row FROM n;
    """,
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON vectors BEGIN DELETE FROM vectors; END;",
    "another table": "CREATE TABLE more (x);",
    "a view beside": "CREATE VIEW more AS SELECT 1;",
    "an index that computes": "CREATE INDEX more ON vectors (abs(used));",
    "a column that computes": "ALTER TABLE vectors ADD COLUMN more BLOB AS (zeroblob(1000000));",
}


@pytest.mark.parametrize("change", HOSTILE)
async def test_a_file_with_another_schema_is_no_cache(path: Path, change: str) -> None:
    async with SQLiteStore(path) as store:
        await put(store)
    with opened(path) as db:
        db.executescript(HOSTILE[change])
    before = path.read_bytes()
    async with SQLiteStore(path.parent / "other.db"):
        store = SQLiteStore(path)
        with pytest.raises(ConfigError, match="has not the tables of a cache, and is left as it is; name another path"):
            await store.open()
        await store.aclose()
    assert path.read_bytes() == before


@pytest.mark.parametrize("operation", ["get", "put"])
async def test_a_statement_that_takes_too_long_is_interrupted(
    store: SQLiteStore, path: Path, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema is looked at when the file is opened; here it changes afterwards."""
    await put(store, range(2))
    with opened(path) as db:
        db.executescript(HOSTILE["a view instead of the table"])
    monkeypatch.setattr("aembed.stores._cache_file.READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr("aembed.stores._cache_file.WRITE_TIMEOUT_S", 0.05)
    with pytest.raises(sqlite3.Error):
        await (known(store) if operation == "get" else put(store))


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ("row = zeroblob(300000)", {4}),
        ("used = 'text'", {4}),
        ("used = x'00'", {4}),
        ("used = NULL", set[int]()),  # the schema does not let it
        ("id = 9223372036854775807", None),
    ],
)
async def test_odd_values_are_misses_or_errors_of_sqlite(
    store: SQLiteStore, path: Path, change: str, gone: set[int] | None
) -> None:
    await put(store)
    with opened(path) as db, suppress(sqlite3.IntegrityError):
        db.execute(f"UPDATE vectors SET {change} WHERE id = 5")  # noqa: S608
    if gone is None:
        with pytest.raises(sqlite3.DatabaseError, match="counts more rows than were written; delete the file"):
            await known(store)
    else:
        assert set(NAMES) - set(await known(store)) == gone


@pytest.mark.parametrize("kind", ["pipe", "link to a directory"])
async def test_a_path_that_leads_to_no_file(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path.parent)
    store = SQLiteStore(path)
    with pytest.raises(ConfigError, match="cannot be opened: unable to open: it is not a file; mend that, or name"):
        await store.open()
    await store.aclose()
