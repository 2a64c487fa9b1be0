"""The file of a cache to the byte: its settings, its bound, what counts as used. Numbers by hand, and no thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from aembed import ConfigError
from aembed.stores import MemoryStore, SQLiteStore, _cache_file
from aembed.stores._cache_file import CacheFile
from aembed.stores._places import settle_places
from aembed.stores._schema import limited
from tests.stores.rows import key, keys, vectors

MIB = 2**20
WIDE = 1024
ROW_BYTES = 4 * WIDE + 100


@pytest.fixture
def file(path: Path) -> Generator[CacheFile]:
    file = CacheFile(path, None)
    yield file
    file.close()


@pytest.fixture
def bounded(path: Path) -> Generator[CacheFile]:
    file = CacheFile(path, MIB)
    yield file
    file.close()


def put(file: CacheFile, names: Sequence[int], dim: int = 8) -> None:
    file.put(keys(names), vectors(names, dim))


def number(file: CacheFile, statement: str) -> int:
    found = file.open().execute(statement).fetchone()[0]
    assert isinstance(found, int)
    return found


def taken(file: CacheFile) -> int:
    """Bytes of pages in use."""
    pages = number(file, "PRAGMA page_count") - number(file, "PRAGMA freelist_count")
    return 8192 * pages


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("page_size", 8192),
        ("journal_size_limit", 64 * MIB),
        ("wal_autocheckpoint", 8192),  # pages: 64 MiB as well
        ("cache_size", -32 * 1024),
        ("synchronous", 1),
        ("trusted_schema", 0),
        ("busy_timeout", 5000),
        ("application_id", 0x61654D42),
        ("user_version", 2),
    ],
)
def test_a_connection_is_set_up_for_readers_next_to_a_writer(file: CacheFile, setting: str, value: int) -> None:
    assert number(file, f"PRAGMA {setting}") == value


def test_a_row_is_stored_so_that_later_versions_find_it(file: CacheFile) -> None:
    put(file, [7])
    digest = xxh3_64_intdigest(key(7)) - 2**63
    stored = file.open().execute("SELECT id, used, key, checksum, row FROM vectors").fetchone()
    row = vectors([7], 8).astype("<f4").tobytes()
    assert stored == (1, 1, key(7), xxh3_64_digest(row, digest % 2**64), row)
    assert file.open().execute("SELECT digest, id FROM recent_places").fetchall() == [(digest, 1)]


def test_a_lookup_may_take_ten_seconds_and_a_write_a_minute(file: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def noted(db: sqlite3.Connection, seconds: float) -> AbstractContextManager[None]:
        limits.append(seconds)
        return limited(db, seconds)

    monkeypatch.setattr(_cache_file, "limited", noted)
    put(file, [1])
    file.get(keys([1]), 8)
    assert limits == [60.0, 10.0]


def test_a_file_is_filled_to_85_hundredths_of_its_bound(bounded: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache_file, "ADMIT_ONE_IN", 1e18)
    room = int((0.85 * MIB - taken(bounded)) / ROW_BYTES)
    put(bounded, range(300), WIDE)
    positions, _ = bounded.get(keys(range(300)), WIDE)
    assert positions.tolist() == list(range(room))
    assert bounded.dropped == 300 - room


def test_beyond_that_it_takes_one_of_sixteen_by_lot(bounded: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lots:
        """The first of every sixteen wins."""

        @staticmethod
        def random(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return (np.arange(count) % 16) / 16

    monkeypatch.setattr(np.random, "default_rng", Lots)
    room = int((0.85 * MIB - taken(bounded)) / ROW_BYTES)
    names = list(range(room + 33))
    bounded.put(keys(names), np.ones((len(names), WIDE), np.float32))
    positions, _ = bounded.get(keys(names), WIDE)
    assert positions.tolist() == [*range(room), room, room + 16, room + 32]


def test_room_is_made_for_new_rows_and_a_tenth_of_the_bound(
    bounded: CacheFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bounded, range(180), WIDE)
    monkeypatch.setattr(_cache_file, "ADMIT_ONE_IN", 1)
    before, rows = taken(bounded), number(bounded, "SELECT count(*) FROM vectors")
    wanted = 60 * ROW_BYTES
    assert before + wanted > MIB
    put(bounded, range(1000, 1060), WIDE)
    gone = int(rows * (before + wanted - 0.9 * MIB) / before) + 1
    assert bounded.dropped == gone
    positions, _ = bounded.get(keys(range(180)), WIDE)
    assert positions.tolist() == list(range(gone, 180))


def test_all_rows_go_where_that_is_not_enough(bounded: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    put(bounded, range(20), WIDE)
    monkeypatch.setattr(_cache_file, "ADMIT_ONE_IN", 1)
    put(bounded, range(1000, 1300), WIDE)
    assert bounded.dropped == 20
    assert number(bounded, "SELECT count(*) FROM vectors") == 300


@pytest.mark.parametrize(("writes", "noted"), [(16, 1), (17, 18)])
def test_use_is_noted_of_rows_older_than_a_sixteenth_of_the_bound(bounded: CacheFile, writes: int, noted: int) -> None:
    """Of rows of 4,096 bytes, 16 are that; the one that is looked up is number 1."""
    put(bounded, range(1 + writes), WIDE)
    bounded.get(keys([0]), WIDE)
    put(bounded, [1000], WIDE)
    assert number(bounded, "SELECT used FROM vectors WHERE id = 1") == noted


def test_use_is_noted_when_the_file_is_closed(path: Path) -> None:
    file = CacheFile(path, MIB)
    put(file, range(18), WIDE)
    file.get(keys([0]), WIDE)
    file.close()
    file.close()
    again = CacheFile(path, MIB)
    assert number(again, "SELECT used FROM vectors WHERE id = 1") == 18
    again.close()


def test_nothing_is_noted_in_a_file_without_a_bound(file: CacheFile) -> None:
    put(file, range(2000), 1)
    file.get(keys([0]), 1)
    put(file, [3000], 1)
    assert number(file, "SELECT used FROM vectors WHERE id = 1") == 1


@pytest.mark.parametrize(("dim", "found"), [(65_536, [0]), (65_537, [])])
def test_no_row_has_more_than_65536_numbers(file: CacheFile, dim: int, found: list[int]) -> None:
    file.put(keys([1]), np.ones((1, dim), np.float32))
    positions, rows = file.get(keys([1]), dim)
    assert positions.tolist() == found
    assert rows.shape == (len(found), dim)


def test_without_a_dimension_rows_of_the_first_found_are_given(file: CacheFile) -> None:
    put(file, [1], 3)
    put(file, [2, 3], 5)
    positions, rows = file.get(keys([9, 2, 1, 3]), None)
    assert (positions.tolist(), rows.shape) == ([1, 3], (2, 5))
    positions, rows = file.get(keys([9]), None)
    assert (positions.tolist(), rows.shape) == ([], (0, 0))


@pytest.mark.parametrize(("clock", "is_usable"), [(2**62, True), (2**62 + 1, False)])
def test_a_file_that_counts_more_rows_than_were_ever_written_is_refused(
    file: CacheFile, clock: int, is_usable: bool
) -> None:
    put(file, [1])
    file.open().execute("UPDATE vectors SET id = ?", (clock,))
    if is_usable:
        file.get(keys([2]), 8)
    else:
        with pytest.raises(sqlite3.DatabaseError, match="the cache counts more rows than were written"):
            file.get(keys([2]), 8)


@pytest.mark.parametrize(("recent", "left"), [(2**16 - 1, 2**16 - 1), (2**16, 0)])
def test_65536_recent_keys_go_into_the_large_index(file: CacheFile, recent: int, left: int) -> None:
    db = file.open()
    db.execute(
        "INSERT INTO recent_places WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
        "SELECT i, i FROM n",
        (recent,),
    )
    settle_places(db)
    assert number(file, "SELECT count(*) FROM recent_places") == left
    assert number(file, "SELECT count(*) FROM places") == recent - left


def test_less_than_a_mebibyte_is_taken_for_a_mistake(path: Path) -> None:
    SQLiteStore(path, max_bytes=MIB)
    MemoryStore(max_bytes=MIB)
    with pytest.raises(ConfigError, match=r"max_bytes=1048575: give an SQLiteStore at least 1048576"):
        SQLiteStore(path, max_bytes=MIB - 1)
    with pytest.raises(ConfigError, match=r"max_bytes=1048575: give a MemoryStore at least 1048576"):
        MemoryStore(max_bytes=MIB - 1)
    assert MemoryStore().max_bytes == 256 * MIB


async def test_the_largest_row_in_memory_fills_a_sixteenth_with_its_overhead() -> None:
    """65,536 bytes: 340 and 4 for each number."""
    store = MemoryStore(max_bytes=MIB)
    for dim, kept in [(16_299, 1), (16_300, 1)]:
        await store.put_many([key(dim)], np.ones((1, dim), np.float32))
        assert len(store) == kept


async def test_a_store_left_open_closes_its_file_also_where_its_thread_has_ended(path: Path) -> None:
    """The end of the program ends threads first."""
    store = SQLiteStore(path, max_bytes=MIB)
    await store.open()
    worker = store._worker
    worker.detach()
    worker.thread.shutdown()
    assert worker.file._db is not None
    worker._close()
    assert worker.file._db is None
