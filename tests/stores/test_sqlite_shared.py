"""State after a cancellation, a crash or a full disk, and several threads and processes at once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aembed import ConfigError
from aembed.stores import SQLiteStore
from tests.cancel import cancel_at
from tests.loops import run
from tests.stores import hammer
from tests.stores.cache_file import DIM, NAMES, known, opened, put
from tests.stores.rows import keys, vectors

ROOT = Path(__file__).parents[2]


def start_hammer(path: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", hammer.__name__, str(path), str(seed), str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_a_put_is_whole_or_not_at_all_when_it_is_cancelled(path: Path) -> None:
    suspension = 1
    async with SQLiteStore(path) as store:
        while await cancel_at(suspension, put(store, range(suspension * 100, suspension * 100 + 10))):
            suspension += 1
        for start in range(100, suspension * 100, 100):
            assert len(await known(store, range(start, start + 10))) in (0, 10)
        assert len(await known(store, range(suspension * 100, suspension * 100 + 10))) == 10
    assert suspension > 1


async def test_a_cancelled_put_stores_the_rows_as_they_were(store: SQLiteStore) -> None:
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
    monkeypatch.setattr("aembed.stores._cache_file.LOCK_TIMEOUT_S", 0.01)
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
    monkeypatch.setattr("aembed.stores._cache_file.LOCK_TIMEOUT_S", 0.01)
    store = SQLiteStore(path)
    with opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigError, match="cannot be opened: database is locked; mend that, or name another path"):
            await store.open()
        db.execute("ROLLBACK")
    await store.open()  # later it can
    await store.aclose()


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_leaves_the_stored_rows(path: Path) -> None:
    """A limit on the size of files has the same effect: SQLite cannot write."""
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
    """From its making on: each puts and gets at random, and checks the rows it gets."""
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
