"""On the way to a store: which rows are written together, when calls wait, and what a store is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio
import numpy as np
import pytest

from aembed._sharing.cache import MAX_BYTES_PER_PUT, MAX_ROWS_PER_PUT, MAX_UNSTORED_BYTES, Cache
from aembed._sharing.entries import LookedUp, Requested, Unstored
from aembed.stores import MemoryStore
from tests.memo.shelf import Shelf

NOBODY = Requested(None, [])  # type: ignore[arg-type]


class Ledger(Shelf):
    """Notes the number of rows of each write, which begin once it is ``open_now``."""

    def __init__(self) -> None:
        super().__init__()
        self.open_now = asyncio.Event()
        self.writes: list[int] = []

    async def put_many(self, keys: Sequence[bytes], vectors: Any) -> None:
        await self.open_now.wait()
        self.writes.append(len(keys))
        await super().put_many(keys, vectors)


def ignored(*_: Any) -> None:
    """A report of a failure."""


def put(cache: Cache, rows: int, dim: int = 2, *, name: str = "") -> list[bytes]:
    keys = [f"{name} {dim} {number}".encode() for number in range(rows)]
    cache.put(keys, np.ones((rows, dim), np.float32), ignored, NOBODY)
    return keys


@pytest.mark.parametrize(
    ("batches", "writes"),
    [
        ([(1, 2), (2, 2), (3, 2)], [6]),
        ([(1, 2), (2, 3), (3, 2)], [1, 2, 3]),
        ([(MAX_ROWS_PER_PUT - 1, 2), (1, 2), (1, 2)], [MAX_ROWS_PER_PUT, 1]),
        ([(MAX_ROWS_PER_PUT, 2), (1, 2)], [MAX_ROWS_PER_PUT, 1]),
        ([(MAX_ROWS_PER_PUT + 1, 2), (1, 2)], [MAX_ROWS_PER_PUT + 1, 1]),
        ([(1, MAX_BYTES_PER_PUT // 8), (1, MAX_BYTES_PER_PUT // 8)], [2]),
        ([(1, MAX_BYTES_PER_PUT // 8), (1, MAX_BYTES_PER_PUT // 8), (1, MAX_BYTES_PER_PUT // 8)], [2, 1]),
    ],
)
async def test_batches_are_stored_together_up_to_a_size(batches: list[tuple[int, int]], writes: list[int]) -> None:
    store = Ledger()
    cache = Cache(store, owned=False)
    for number, (rows, dim) in enumerate(batches):
        put(cache, rows, dim, name=str(number))
    store.open_now.set()
    await cache.flush()
    assert store.writes == writes
    assert cache.entries == {}


def test_a_write_has_up_to_four_thousand_rows_or_eight_mebibytes() -> None:
    assert (MAX_ROWS_PER_PUT, MAX_BYTES_PER_PUT, MAX_UNSTORED_BYTES) == (4096, 2**23, 2**24)


@pytest.mark.parametrize(("more", "waits"), [(0, False), (1, True)])
async def test_calls_wait_while_sixteen_mebibytes_are_not_stored(more: int, waits: bool) -> None:
    store = Ledger()
    cache = Cache(store, owned=False)
    put(cache, 1, MAX_UNSTORED_BYTES // 4)
    put(cache, more, 1)
    room = asyncio.create_task(cache.room())
    await anyio.wait_all_tasks_blocked()
    assert room.done() is not waits
    store.open_now.set()
    await room
    await cache.flush()


async def test_nobody_waits_for_rows_that_nobody_writes() -> None:
    cache = Cache(Ledger(), owned=False)
    cache._unstored_bytes = MAX_UNSTORED_BYTES + 1
    await cache.room()


async def test_a_row_is_an_entry_until_it_is_stored() -> None:
    store = Ledger()
    cache = Cache(store, owned=False)
    keys = put(cache, 2)
    assert set(cache.entries) == set(keys)
    assert all(isinstance(entry, Unstored) for entry in cache.entries.values())
    row = cache.entries[keys[1]]
    assert isinstance(row, Unstored)
    row.row(keys[1])[:] = 7
    assert row.row(keys[1]).tolist() == [1, 1], "a copy"
    store.open_now.set()
    await cache.flush()
    assert (cache.entries, len(store.kept)) == ({}, 2)


async def test_rows_replace_their_request_and_no_other_entry() -> None:
    cache = Cache(Shelf(), owned=False)
    mine, other = Requested(None, []), LookedUp()  # type: ignore[arg-type]
    cache.entries |= {b"a": mine, b"b": other}
    cache.put([b"a", b"b", b"c"], np.ones((3, 2), np.float32), ignored, mine)
    assert [type(cache.entries[key]) for key in (b"a", b"b", b"c")] == [Unstored, LookedUp, Unstored]
    cache.forget([b"a", b"b", b"none"], other)
    assert set(cache.entries) == {b"a", b"c"}
    await cache.flush()
    assert cache.entries == {}


async def test_a_failed_write_is_reported_for_each_batch_and_forgotten() -> None:
    failed: list[tuple[str, int]] = []
    cache = Cache(Shelf(broken={"put"}), owned=False)
    for rows in (2, 3):
        keys = [f"{rows} {number}".encode() for number in range(rows)]
        cache.put(keys, np.ones((rows, 2), np.float32), lambda what, texts, _: failed.append((what, texts)), NOBODY)
    await cache.flush()
    assert failed == [("put", 2), ("put", 3)]
    assert (cache.entries, cache._unstored_bytes) == ({}, 0)


class Opened(Shelf):
    def __init__(self, dropped: int = 0) -> None:
        super().__init__()
        self.opened = 0
        self.dropped = dropped

    async def open(self) -> None:
        self.opened += 1


@pytest.mark.parametrize("owned", [True, False])
async def test_only_a_store_of_ours_is_opened_and_closed(owned: bool) -> None:
    store = Opened()
    cache = Cache(store, owned=owned)
    await cache.open()
    put(cache, 1)
    await cache.aclose()
    assert (store.opened, store.closed, len(store.kept)) == (int(owned), int(owned), 1)
    await Cache(Shelf(), owned=owned).open()


def test_rows_without_room_are_counted_where_the_store_counts_them() -> None:
    assert Cache(Opened(dropped=7), owned=True).dropped == 7
    assert Cache(Shelf(), owned=True).dropped == 0


# --- what it answers


class Answers(Shelf):
    def __init__(self, positions: Any, vectors: Any) -> None:
        super().__init__()
        self.answer = positions, vectors

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> Any:
        return self.answer


KEYS = [b"a", b"b", b"c"]


async def asked(positions: Any, vectors: Any, dim: int | None = 2) -> tuple[list[int], Any, list[str]]:
    reported: list[str] = []
    cache = Cache(Answers(positions, vectors), owned=False)
    found, rows = await cache.get(KEYS, dim, lambda what, texts, error: reported.append(f"{what} {texts}: {error}"))
    return found.tolist(), None if rows is None else rows.tolist(), reported


@pytest.mark.parametrize(
    ("positions", "vectors", "found"),
    [
        ([], np.empty((0, 2)), []),
        ([0, 2], [[1, 2], [3, 4]], [0, 2]),
        ([0, 1, 2], [[1, 2], [0, 0], [3, 4]], [0, 2]),
        ([0, 1], [[np.nan, 2], [3, 4]], [1]),
        ([0, 1], [[np.inf, 2], [3, 4]], [1]),
        ([0, 1], [[1e30, 1e30], [1e-30, 0]], [0, 1]),
        ([0, 1], [[0, 1], [0, 0]], [0]),
    ],
)
async def test_rows_that_are_embeddings_are_used(positions: list[int], vectors: Any, found: list[int]) -> None:
    rows = np.array(vectors, np.float32)
    where, used, reported = await asked(positions, rows)
    assert (where, reported) == (found, [])
    assert used == [rows[positions.index(position)].tolist() for position in found]


async def test_any_dimension_will_do_where_none_is_known() -> None:
    assert (await asked([0], [[1, 2, 3]], None))[0] == [0]
    assert (await asked([0], [[1, 2, 3]], 3))[0] == [0]


@pytest.mark.parametrize(
    ("positions", "vectors", "words"),
    [
        ([0], [[1, 2, 3]], "the store answered with an array of shape (1, 3) for 1 positions"),
        ([0], [[1, 2], [3, 4]], "the store answered with an array of shape (2, 2) for 1 positions"),
        ([0], [1, 2], "the store answered with an array of shape (2,) for 1 positions"),
        ([-1], [[1, 2]], "the store answered with positions that are not those of keys, ascending"),
        ([3], [[1, 2]], "the store answered with positions that are not those of keys, ascending"),
        ([1, 1], [[1, 2], [3, 4]], "the store answered with positions that are not those of keys, ascending"),
        ([1, 0], [[1, 2], [3, 4]], "the store answered with positions that are not those of keys, ascending"),
    ],
)
async def test_an_answer_without_sense_is_a_miss(positions: Any, vectors: Any, words: str) -> None:
    assert await asked(positions, vectors) == ([], None, [f"get 3: {words}"])


@pytest.mark.virtual_time
async def test_a_store_has_so_long_to_answer_and_to_write() -> None:
    failed: list[Any] = []

    def report(what: str, texts: int, error: Exception) -> None:
        failed.append((what, texts, anyio.current_time()))

    cache = Cache(Shelf(slow=1000.0), owned=False)
    await cache.get(KEYS, 2, report)
    cache.put(KEYS, np.ones((3, 2), np.float32), report, NOBODY)
    await cache.flush()
    assert failed == [("get", 3, pytest.approx(15.0)), ("put", 3, pytest.approx(15.0 + 90.0))]
    patient = Cache(Shelf(slow=14.9), owned=False)
    assert (await patient.get(KEYS, 2, report))[0].tolist() == []
    assert len(failed) == 2


async def test_the_store_in_memory_is_asked_without_a_pause() -> None:
    cache = Cache(MemoryStore(), owned=True)
    put(cache, 1)
    await cache.flush()
    with pytest.raises(StopIteration) as ended:
        cache.get([b" 2 0", b"none"], 2, ignored).send(None)
    positions, rows = ended.value.value
    assert (positions.tolist(), rows.tolist()) == ([0], [[1, 1]])
