"""Place of a key's row: in the index of recent keys, then in the large one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aembed.stores import SQLiteStore
from tests.stores.cache_file import DIM, known, opened, put
from tests.stores.rows import keys, vectors


@pytest.fixture
def few_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed.stores._places.MAX_RECENT_KEYS", 50)


def counts(path: Path) -> tuple[int, int, int]:
    """Rows, keys in the large index, and recent keys."""
    with opened(path) as db:
        rows, places, recent = (
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("vectors", "places", "recent_places")
        )
    return rows, places, recent


@pytest.mark.usefixtures("few_recent")
async def test_many_recent_keys_go_into_the_large_index(store: SQLiteStore, path: Path) -> None:
    for start in range(0, 200, 20):
        await put(store, range(start, start + 20))
    assert counts(path) == (200, 180, 20)
    assert await known(store, range(200)) == list(range(200))


@pytest.mark.usefixtures("few_recent")
async def test_a_key_written_again_has_the_later_row_wherever_the_earlier_is(store: SQLiteStore, path: Path) -> None:
    await put(store, range(60))
    await put(store, range(60, 62))  # the sixty are in the large index now
    for serial in range(3):
        later = vectors([f"{name} {serial}" for name in range(30)], DIM)
        await store.put_many(keys(range(30)), later)
        positions, rows = await store.get_many(keys(range(62)), DIM)
        assert positions.tolist() == list(range(62))
        np.testing.assert_array_equal(rows[:30], later)
    await put(store, range(100, 150))
    await put(store, range(200, 201))
    assert counts(path) == (113, 112, 1), "no row is left that no key leads to"


@pytest.mark.usefixtures("few_recent")
async def test_rows_that_made_room_have_no_keys_left(path: Path) -> None:
    async with SQLiteStore(path, max_bytes=2**20) as store:
        for start in range(0, 3000, 20):
            await put(store, range(start, start + 20), 384)
        rows, places, recent = counts(path)
        assert rows == places + recent == len(await known(store, range(3000), 384))


async def test_bytes_written_for_a_row_do_not_grow_with_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed.stores._places.MAX_RECENT_KEYS", 4000)
    log, written = path.with_name("cache.db-wal"), list[int]()
    async with SQLiteStore(path) as store:
        for start in range(0, 60_000, 1000):
            with opened(path) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            await store.put_many(keys(range(start, start + 1000)), np.ones((1000, DIM), np.float32))
            written.append(log.stat().st_size)
    assert sorted(written[30:])[15] < 1.5 * sorted(written[:10])[5]


@pytest.mark.usefixtures("few_recent")
async def test_keys_with_the_same_digest_cost_a_miss_only(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(key: bytes) -> int:
        return key[0] % 8

    for module in ("_places", "_cache_file"):
        monkeypatch.setattr(f"aembed.stores.{module}.digest", digest)
    for start in range(0, 200, 10):
        await put(store, range(start, start + 10))
        assert await known(store, range(start + 10))
