"""The store in memory: a bound that holds, and who makes room."""

from __future__ import annotations

import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Vectors
from aembed.stores import MemoryStore
from aembed.stores.memory import ROW_OVERHEAD_BYTES, SLABS
from tests.loops import run
from tests.stores.rows import key, keys, vectors

MIB = 2**20
WIDE = 2048
ROWS = MIB // SLABS // (4 * WIDE + ROW_OVERHEAD_BYTES) * SLABS
"""Rows of ``WIDE`` that fit into the smallest store."""


async def known(store: MemoryStore, names: range, dim: int) -> list[int]:
    positions, _ = await store.get_many(keys(names), dim)
    return [names[i] for i in positions]


@pytest.mark.parametrize("dim", [1, 8, 64, 384, 1536, 3072])
def test_memory_stays_within_the_bound(dim: int) -> None:
    """At its highest too: when the table of keys grows, it is there twice for a moment."""
    max_bytes = 4 * MIB
    rows = np.ones((5, dim), np.float32)
    fills = 2 * max_bytes // (4 * dim + ROW_OVERHEAD_BYTES)

    async def fill() -> tuple[int, int]:
        store = MemoryStore(max_bytes=max_bytes)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for start in range(0, fills, 5):
            await store.put_many([key(number) for number in range(start, start + 5)], rows)
        return len(store), tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        count, peak = run(fill())
    finally:
        tracemalloc.stop()
    assert peak <= max_bytes
    assert count * (4 * dim + ROW_OVERHEAD_BYTES) > 0.85 * max_bytes  # and the memory is used


async def test_rows_not_used_for_longest_make_room() -> None:
    store = MemoryStore(max_bytes=MIB)
    names = range(ROWS)
    for name in names:
        await store.put_many([key(name)], vectors([name], WIDE))
    assert await known(store, names, WIDE) == list(names)
    await known(store, range(10), WIDE)  # used again, though they are the oldest
    new = range(ROWS, ROWS + ROWS // SLABS)
    await store.put_many(keys(new), vectors(new, WIDE))
    left = await known(store, range(new.stop), WIDE)
    assert set(range(10)) <= set(left)
    assert set(new) <= set(left)
    assert ROWS - ROWS // SLABS <= len(left) <= ROWS  # room is made for a few at once


async def test_exactly_the_oldest_rows_make_room() -> None:
    """All of one slab, the only one of its dimension; the others are of other dimensions, and in use."""
    store, dim = MemoryStore(max_bytes=MIB), 8
    others = range(dim + 1, dim + SLABS)
    for other in others:
        await store.put_many([key(-other)], vectors([other], other))
    rows = MIB // SLABS // (4 * dim + ROW_OVERHEAD_BYTES)
    await store.put_many(keys(range(rows)), vectors(range(rows), dim))
    order = np.random.default_rng(7).permutation(rows).tolist()  # places say nothing about age
    for name in order:
        await known(store, range(name, name + 1), dim)
    for other in others:
        await store.get_many([key(-other)], other)
    new = range(rows, rows + 20)
    await store.put_many(keys(new), vectors(new, dim))
    assert set(await known(store, range(new.stop), dim)) == {*order[20:], *new}


async def look_up(store: MemoryStore, names: range) -> int:
    """Number of hits; misses are put, as a cache does."""
    found = 0
    for name in names:
        if await known(store, range(name, name + 1), WIDE):
            found += 1
        else:
            await store.put_many([key(name)], vectors([name], WIDE))
    return found


@pytest.mark.parametrize(("scanned", "least"), [(ROWS + 1, 0.75), (2 * ROWS, 0.25)])
async def test_a_scan_of_more_than_it_holds_is_found_again_in_part(scanned: int, least: float) -> None:
    """With eviction of the least recently used, each row would go just before it is asked for again."""
    store = MemoryStore(max_bytes=MIB)
    for _ in range(4):
        await look_up(store, range(scanned))
    assert await look_up(store, range(scanned)) > least * scanned


async def test_a_scan_evicts_little() -> None:
    store = MemoryStore(max_bytes=MIB)
    await look_up(store, range(ROWS))
    assert store.dropped == 0
    await look_up(store, range(1000, 1000 + 2 * ROWS))
    assert len(await known(store, range(ROWS), WIDE)) > ROWS // 2
    assert store.dropped == 3 * ROWS - len(store)


async def test_one_new_row_of_sixteen_stays_in_a_full_store_without_being_used() -> None:
    store, dim = MemoryStore(max_bytes=MIB), 8
    store._lots = np.random.default_rng(7)
    held = SLABS * (MIB // SLABS // (4 * dim + ROW_OVERHEAD_BYTES))
    await store.put_many(keys(range(held)), vectors(range(held), dim))
    await known(store, range(held), dim)
    scan = range(held, held + 3200)
    for start in scan[::100]:
        await store.put_many(keys(range(start, start + 100)), vectors(range(start, start + 100), dim))
    assert 3200 / 20 < len(await known(store, scan[:-300], dim)) < 3200 / 12


async def test_rows_used_again_survive_a_scan() -> None:
    """A row that was new to a full store, too."""
    store = MemoryStore(max_bytes=MIB)
    await look_up(store, range(ROWS))
    await look_up(store, range(500, 503))
    assert await look_up(store, range(500, 503)) == 3
    await look_up(store, range(1000, 1000 + ROWS))
    assert await known(store, range(500, 503), WIDE) == [500, 501, 502]


async def test_another_dimension_gets_the_memory_that_is_used_least() -> None:
    store = MemoryStore(max_bytes=MIB)
    old, new = range(ROWS), range(1000, 1000 + ROWS)
    await store.put_many(keys(old), vectors(old, WIDE))
    await known(store, old, WIDE)
    for name in new:
        await store.put_many([key(name)], vectors([name], WIDE // 2))
        assert len(await known(store, new, WIDE // 2)) == name - 999, "its own were evicted while others were older"
    left = await known(store, old, WIDE)
    assert len(left) < ROWS
    assert len(store) == len(left) + ROWS  # those that made room are forgotten, not only out of reach
    await store.put_many(keys(old), vectors(old, WIDE // 2))
    assert set(await known(store, old[:8], WIDE // 2)) <= set(old)


async def test_a_dimension_in_use_keeps_its_memory() -> None:
    """A few other entries do not evict those in constant use."""
    store = MemoryStore(max_bytes=MIB)
    busy = range(ROWS // 2)
    await store.put_many(keys(busy), vectors(busy, WIDE))
    for name in range(1000, 1000 + 4 * ROWS):
        await store.put_many([key(name)], vectors([name], WIDE // 2))
        assert await known(store, busy, WIDE) == list(busy)


async def test_rows_older_than_those_of_another_dimension_go_first() -> None:
    store, dim = MemoryStore(max_bytes=MIB), 8
    rows = MIB // SLABS // (4 * dim + ROW_OVERHEAD_BYTES)
    held = range((SLABS - 1) * rows)
    await store.put_many(keys(held), vectors(held, dim))
    await store.put_many(keys("x"), vectors("x", WIDE))
    await known(store, held[::rows], dim)  # one of each slab is younger than the row of the other dimension
    new = range(held.stop, held.stop + rows)
    await store.put_many(keys(new), vectors(new, dim))
    assert len((await store.get_many(keys("x"), WIDE))[0]) == 1
    assert await known(store, held[::rows], dim) == list(held[::rows])


async def test_a_row_too_large_for_a_slab_is_not_kept() -> None:
    store = MemoryStore(max_bytes=MIB)
    await store.put_many(keys("a"), vectors("a", 5))
    await store.put_many(keys("b"), vectors("b", MIB // 4 // SLABS))
    assert len(store) == 1


async def test_closing_empties_it() -> None:
    store = MemoryStore()
    await store.put_many(keys("ab"), vectors("ab", 5))
    assert repr(store) == f"<MemoryStore vectors=2 max_bytes={2**28}>"
    await store.aclose()
    assert len(store) == 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "get"]),
        st.lists(st.integers(0, 40), max_size=12),
        st.sampled_from([WIDE, WIDE, 2 * WIDE, 3]),
    ),
    max_size=40,
)


@given(STEPS)
def test_it_is_a_dict_that_forgets(steps: list[tuple[str, list[int], int]]) -> None:
    """A hit is the last value put; an entry that fits is found right after its put."""

    async def play() -> None:
        store = MemoryStore(max_bytes=MIB)
        model: OrderedDict[int, Vectors] = OrderedDict()
        for serial, (action, names, dim) in enumerate(steps):
            if action == "put":
                rows = vectors([f"{name} {serial}" for name in names], dim)
                await store.put_many(keys(names), rows)
                model.update(zip(names, rows, strict=True))
                names = list(set(names))[: ROWS // SLABS // 2]  # noqa: PLW2901
            positions, found = await store.get_many(keys(names), dim)
            assert (np.diff(positions) > 0).all()
            for position, row in zip(positions.tolist(), found, strict=True):
                np.testing.assert_array_equal(row, model[names[position]])
            if action == "put":
                assert len(positions) == len(names)
            for name in range(41):
                at, row = await store.get_many([key(name)], None)
                if len(at):
                    np.testing.assert_array_equal(row[0], model[name])
            assert len(store) <= len(model)

    run(play())
