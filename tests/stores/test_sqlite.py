"""The store in a file: its contents, their age and their amount."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

from __future__ import annotations

import asyncio
import gc
import re
import threading
from concurrent.futures import thread as pool
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aembed import ClosedError, stores
from aembed.stores import SQLiteStore, _cache_file
from aembed.stores._places import MAX_RECENT_KEYS
from tests.loops import run
from tests.stores.cache_file import DIM, NAMES, known, opened, put
from tests.stores.rows import key, keys, vector, vectors


async def test_the_next_run_finds_it(path: Path) -> None:
    for _ in range(2):
        async with SQLiteStore(path) as store:
            await put(store)
    async with SQLiteStore(path) as store:
        assert await known(store) == list(NAMES)


def test_no_statement_has_numbered_placeholders() -> None:
    """Python 3.12 warns of a sequence for them, 3.14 raises: then no row is stored, and no call says so."""
    sources = [path.read_text(encoding="utf-8") for path in Path(stores.__file__).parent.glob("*.py")]
    assert not [source for source in sources if re.search(r"\?\d", source)]


async def test_it_opens_when_it_is_first_used(path: Path) -> None:
    store = SQLiteStore(path)
    assert not path.exists()
    assert repr(store) == f"<SQLiteStore {str(path)!r} max_bytes=None>"
    await put(store)
    await store.aclose()
    assert repr(store).endswith("closed>")
    with pytest.raises(ClosedError, match=r"cache\.db' is closed"):
        await known(store)


async def test_closing_a_store_that_was_never_opened(path: Path) -> None:
    await SQLiteStore(path).aclose()
    assert not path.exists()


@pytest.mark.parametrize("is_closed", [True, False])
def test_collecting_a_store_takes_no_lock_of_the_thread_pools(path: Path, is_closed: bool) -> None:
    """The collector may run while a pool takes work, in the same thread: that would wait for itself for ever."""

    async def leave() -> None:
        store = SQLiteStore(path)
        cycle: list[object] = [store]
        cycle.append(cycle)  # for the collector
        await put(store)
        if is_closed:
            await store.aclose()

    run(leave())
    with pool._global_shutdown_lock:
        gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("aembed-cache"):
            thread.join()
    assert not path.with_name("cache.db-wal").exists(), "the file is closed"


async def test_only_the_owner_may_read_it(store: SQLiteStore, path: Path) -> None:
    await put(store)
    for file in path.parent.glob("cache.db*"):
        assert file.stat().st_mode & 0o777 == 0o600, file.name


async def test_it_holds_no_more_than_its_columns(store: SQLiteStore, path: Path) -> None:
    await put(store)
    with opened(path) as db:
        columns = [name for _, name, *_ in db.execute("PRAGMA table_info(vectors)")]
        assert columns == ["id", "key", "used", "checksum", "row"]
        row = db.execute("SELECT row FROM vectors WHERE key = ?", (key(3),)).fetchone()[0]
        np.testing.assert_array_equal(np.frombuffer(row, "<f4"), vector(3, DIM))
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA page_size").fetchone() == (8192,)


async def test_the_file_stays_within_its_bound(path: Path) -> None:
    max_bytes = 2**20
    async with SQLiteStore(path, max_bytes=max_bytes) as store:
        for start in range(0, 3000, 100):
            await put(store, range(start, start + 100), 384)
            assert path.stat().st_size <= 1.05 * max_bytes
        left = len(await known(store, range(3000), 384))
        assert left > 0.7 * max_bytes / (4 * 384)
        assert store.dropped == 3000 - left
    assert path.stat().st_size <= 1.05 * max_bytes
    assert not path.with_name("cache.db-wal").exists()


async def test_a_large_put_makes_room_for_all_of_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is nearly full, and one batch that would pass the bound; room is made a few rows at a time."""
    monkeypatch.setattr(_cache_file, "ROWS_PER_DELETE", 7)
    monkeypatch.setattr(_cache_file, "ADMIT_ONE_IN", 1)
    max_bytes = 2**20
    async with SQLiteStore(path, max_bytes=max_bytes) as store:
        await put(store, range(560), 384)
        await put(store, range(1000, 1400), 384)
        assert await known(store, range(1000, 1400), 384) == list(range(1000, 1400))
        assert 0 < store.dropped < 560
    assert path.stat().st_size <= 1.05 * max_bytes


async def test_rows_in_use_stay(path: Path) -> None:
    async with SQLiteStore(path, max_bytes=2**20) as store:
        for start in range(0, 3000, 50):
            await put(store, range(start, start + 50), 384)
            await known(store, range(10), 384)
        assert await known(store, range(10), 384) == list(range(10))
        assert await known(store, range(10, 20), 384) == []


async def test_a_scan_of_more_than_it_holds_is_not_all_misses(path: Path) -> None:
    """Least recently used alone would have none of them when they come again in the same order."""
    async with SQLiteStore(path, max_bytes=2**20) as store:
        for _ in range(3):
            hits = 0
            for start in range(0, 1200, 50):
                there = await known(store, range(start, start + 50), 384)
                hits += len(there)
                await put(store, sorted({*range(start, start + 50)} - set(there)), 384)
        holds = len(await known(store, range(1200), 384))
        assert hits > 0.7 * holds > 0


async def test_it_is_unlimited_unless_it_is_bounded(path: Path) -> None:
    async with SQLiteStore(path) as store:
        assert store.max_bytes is None
        for start in range(0, 2000, 500):
            await put(store, range(start, start + 500), 384)
        assert len(await known(store, range(2000), 384)) == 2000


async def test_reading_does_not_write(store: SQLiteStore, path: Path) -> None:
    await put(store)
    with opened(path) as db:
        version = db.execute("PRAGMA data_version").fetchone()
        for _ in range(3):
            await known(store)
        assert db.execute("PRAGMA data_version").fetchone() == version


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 30), max_size=8), st.sampled_from([8, 5]))),
    st.sampled_from([3, MAX_RECENT_KEYS]),
)
def test_it_is_a_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, list[int], int]], recent: int
) -> None:
    async def play() -> None:
        model: dict[int, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
        path = tmp_path_factory.mktemp("cache") / "cache.db"
        for part in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
            async with SQLiteStore(path) as store:
                for serial, (writes, names, dim) in enumerate(part):
                    if writes:
                        rows = vectors([f"{name} {serial}" for name in names], dim)
                        await store.put_many(keys(names), rows)
                        model.update(zip(names, rows, strict=True))
                    positions, found = await store.get_many(keys(names), dim)
                    assert positions.tolist() == [i for i, name in enumerate(names) if len(model.get(name, ())) == dim]
                    for position, row in zip(positions.tolist(), found, strict=True):
                        np.testing.assert_array_equal(row, model[names[position]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aembed.stores._places.MAX_RECENT_KEYS", recent)
        run(play(), loop_factory=asyncio.new_event_loop)


@pytest.mark.parametrize("count", [499, 500, 501, 1001, 2500])
async def test_any_number_of_rows_at_once(store: SQLiteStore, count: int) -> None:
    await put(store, range(count))
    assert await known(store, range(count)) == list(range(count))
    assert await known(store, range(count - 1, count + 600)) == [count - 1]


@pytest.mark.parametrize(("dim", "is_known"), [(2**16, True), (2**16 + 1, False)])
async def test_the_longest_row(store: SQLiteStore, dim: int, is_known: bool) -> None:
    await put(store, range(1), dim)
    assert await known(store, range(1), dim) == ([0] if is_known else [])


async def test_how_the_file_is_set_up(store: SQLiteStore, path: Path) -> None:
    await put(store)
    with opened(path) as db:
        found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "journal_mode", "user_version")]
        assert found == [8192, "wal", 2]
        assert db.execute("PRAGMA application_id").fetchone()[0].to_bytes(4, "big") == b"aeMB"
        ids = db.execute("SELECT id, used FROM vectors ORDER BY id").fetchall()
    assert ids == [(number, number) for number in range(1, len(NAMES) + 1)]
