"""The store in a file: whose file it is, what is left after a crash, and several processes at once."""

# ruff: noqa: ASYNC240 - a test may wait for the disk

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aembed import ClosedError, ConfigError
from aembed.stores import SQLiteStore
from aembed.stores._cache_file import APPLICATION, VERSION
from tests.cancel import cancel_at
from tests.loops import run
from tests.stores import hammer
from tests.stores.rows import key, keys, vector, vectors

ROOT = Path(__file__).parents[2]
NAMES = range(20)
DIM = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLiteStore]:
    async with SQLiteStore(path) as store:
        yield store


async def put(store: SQLiteStore, names: range = NAMES, dim: int = DIM) -> None:
    await store.put_many(keys(names), vectors(names, dim))


async def known(store: SQLiteStore, names: range = NAMES, dim: int = DIM) -> list[int]:
    """Names that are found; what is found is checked."""
    positions, rows = await store.get_many(keys(names), dim)
    found = [names[i] for i in positions]
    np.testing.assert_array_equal(rows, vectors(found, dim))
    return found


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def start_hammer(path: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", hammer.__name__, str(path), str(seed), str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_the_next_run_finds_it(path: Path) -> None:
    for _ in range(2):
        async with SQLiteStore(path) as store:
            await put(store)
    async with SQLiteStore(path) as store:
        assert await known(store) == list(NAMES)


async def test_it_opens_when_it_is_first_used(path: Path) -> None:
    store = SQLiteStore(path)
    assert not path.exists()
    assert repr(store) == f"<SQLiteStore {str(path)!r} max_bytes={2**30}>"
    await put(store)
    await store.aclose()
    assert repr(store).endswith("closed>")
    with pytest.raises(ClosedError, match=r"cache\.db' is closed"):
        await known(store)


async def test_closing_what_was_never_opened(path: Path) -> None:
    await SQLiteStore(path).aclose()
    assert not path.exists()


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
async def test_a_file_that_is_no_cache_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = SQLiteStore(path)
    with pytest.raises(ConfigError, match=r"cache\.db' (is not a cache of aembed's|cannot be opened)"):
        await store.open()
    with pytest.raises(ConfigError):
        await put(store)
    await store.aclose()
    assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["cache.db"]


async def test_a_database_of_others_is_refused_and_left_alone(path: Path) -> None:
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


async def test_a_cache_of_a_later_version_is_refused(path: Path) -> None:
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


async def test_the_file_stays_within_its_bound(path: Path) -> None:
    max_bytes = 2**20
    async with SQLiteStore(path, max_bytes=max_bytes) as store:
        for start in range(0, 3000, 100):
            await put(store, range(start, start + 100), 384)
            assert path.stat().st_size <= 1.05 * max_bytes
        assert len(await known(store, range(3000), 384)) > 0.7 * max_bytes / (4 * 384)
    assert path.stat().st_size <= 1.05 * max_bytes
    assert not path.with_name("cache.db-wal").exists()


async def test_what_is_used_stays(path: Path) -> None:
    async with SQLiteStore(path, max_bytes=2**20) as store:
        for start in range(0, 3000, 50):
            await put(store, range(start, start + 50), 384)
            await known(store, range(10), 384)
        assert await known(store, range(10), 384) == list(range(10))
        assert await known(store, range(10, 20), 384) == []


async def test_reading_does_not_write(store: SQLiteStore, path: Path) -> None:
    await put(store)
    with opened(path) as db:
        version = db.execute("PRAGMA data_version").fetchone()
        for _ in range(3):
            await known(store)
        assert db.execute("PRAGMA data_version").fetchone() == version


async def test_a_put_is_whole_or_not_at_all_when_it_is_cancelled(path: Path) -> None:
    suspension = 1
    async with SQLiteStore(path) as store:
        while await cancel_at(suspension, put(store, range(suspension * 100, suspension * 100 + 10))):
            suspension += 1
        for start in range(100, suspension * 100, 100):
            assert len(await known(store, range(start, start + 10))) in (0, 10)
        assert len(await known(store, range(suspension * 100, suspension * 100 + 10))) == 10
    assert suspension > 1


async def test_a_cancelled_put_keeps_what_the_caller_had(store: SQLiteStore) -> None:
    """The thread may still be at it while the caller writes something else into the array."""
    rows = vectors(range(5000), DIM)
    task = asyncio.get_running_loop().create_task(store.put_many(keys(range(5000)), rows))
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    task.cancel()
    rows[:] = 0
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await known(store, range(5000))) in (0, 5000)


async def test_the_loop_runs_while_the_file_is_locked(store: SQLiteStore, path: Path) -> None:
    await put(store)
    with opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(put(store, range(100, 110)))
            async with SQLiteStore(path) as other:
                assert await known(other) == list(NAMES)  # readers do not wait for writers
            assert not waiting.done()
            db.execute("ROLLBACK")
    assert len(await known(store, range(100, 110))) == 10


async def test_a_lock_held_for_long_is_an_error_that_leaves_nothing_half(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aembed.stores._cache_file.PATIENCE", 0.01)
    async with SQLiteStore(path) as store:
        await put(store)
        with opened(path) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await put(store, range(100, 110))
            db.execute("ROLLBACK")
        await put(store, range(200, 210))
        assert await known(store, range(100, 210)) == list(range(200, 210))


async def test_a_lock_that_keeps_it_from_being_made_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed.stores._cache_file.PATIENCE", 0.01)
    store = SQLiteStore(path)
    with opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigError, match="cannot be opened: database is locked; mend that, or name another path"):
            await store.open()
        db.execute("ROLLBACK")
    await store.open()  # later it can
    await store.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_leaves_what_was_there(path: Path) -> None:
    """A limit on the size of files stands in for it: SQLite cannot write either way."""
    program = f"""
import asyncio, resource, signal, sqlite3
from pathlib import Path
from aembed.stores import SQLiteStore
from tests.stores.rows import keys, vectors

async def main():
    async with SQLiteStore({str(path)!r}) as store:
        await store.put_many(keys(range(20)), vectors(range(20), 8))
        size = sum(file.stat().st_size for file in Path({str(path.parent)!r}).iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            await store.put_many(keys(range(10_000)), vectors(range(10_000), 64))
        except sqlite3.OperationalError as error:
            print("refused:", error)
        positions, rows = await store.get_many(keys(range(30)), 8)
        print("left:", len(positions), (rows == vectors(range(20), 8)).all())

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "refused: " in done.stdout
    assert "left: 20 True" in done.stdout
    assert run(_known_in(path, range(30), 8)) == list(range(20))


async def _known_in(path: Path, names: range, dim: int) -> list[int]:
    async with SQLiteStore(path) as store:
        return await known(store, names, dim)


def test_many_processes_share_a_file(path: Path) -> None:
    """From its making on: each puts and gets at random, and checks what it gets."""
    processes = [start_hammer(path, seed, rounds=30) for seed in range(4)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err, len(out.split())) == (0, "", 30)
    assert len(run(_known_in(path, range(hammer.NAMES), hammer.DIM))) == hammer.NAMES


def test_a_killed_process_leaves_a_whole_file(path: Path) -> None:
    for seed in range(4):
        process = start_hammer(path, seed, rounds=0)
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3 + seed):
            assert process.stdout.readline()
        process.kill()  # in the middle of something: it does not wait between rounds
        process.wait()
        process.stdout.close()
        process.stderr.close()
        with opened(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("SELECT count(*) FROM vectors WHERE length(row) != ?", (4 * hammer.DIM,)).fetchone() == (
                0,
            )
        assert len(run(_known_in(path, range(hammer.NAMES), hammer.DIM))) >= hammer.PUT


def test_two_loops_in_two_threads_share_a_store(path: Path) -> None:
    store = SQLiteStore(path)
    failures: list[BaseException] = []

    async def work(first: int) -> None:
        for start in range(first, first + 200, 10):
            await put(store, range(start, start + 10))
            assert len(await known(store, range(start, start + 10))) == 10

    def in_thread(first: int) -> None:
        try:
            run(work(first), loop_factory=asyncio.new_event_loop)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=in_thread, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(store.aclose(), loop_factory=asyncio.new_event_loop)
    assert failures == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 30), max_size=8), st.sampled_from([8, 5]))))
def test_it_is_a_dict(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, list[int], int]]) -> None:
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

    run(play(), loop_factory=asyncio.new_event_loop)
