"""The contract of every store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from aembed import ConfigError
from aembed.stores import MemoryStore, SQLiteStore
from tests.stores.rows import keys, vectors

AnyStore: TypeAlias = MemoryStore | SQLiteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[AnyStore]:
    store = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "cache.db")
    yield store
    await store.aclose()


async def test_stored_rows_are_found_at_their_positions(store: AnyStore) -> None:
    await store.put_many(keys("abc"), vectors("abc", 5))
    positions, rows = await store.get_many(keys("xcya"), 5)
    assert positions.tolist() == [1, 3]
    assert positions.dtype == np.intp
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, vectors("ca", 5))


async def test_an_empty_store_knows_nothing(store: AnyStore) -> None:
    for dim in (5, None):
        for names in ("", "abc"):
            positions, rows = await store.get_many(keys(names), dim)
            assert (len(positions), len(rows), rows.ndim) == (0, 0, 2)
    await store.put_many([], np.empty((0, 5), np.float32))


async def test_a_row_of_another_dimension_is_not_known(store: AnyStore) -> None:
    await store.put_many(keys("ab"), vectors("ab", 5))
    await store.put_many(keys("c"), vectors("c", 7))
    positions, rows = await store.get_many(keys("abc"), 7)
    assert (positions.tolist(), rows.shape) == ([2], (1, 7))
    positions, rows = await store.get_many(keys("abc"), 3)
    assert (positions.tolist(), rows.shape) == ([], (0, 3))


async def test_the_first_found_decides_where_the_dimension_is_not_known(store: AnyStore) -> None:
    await store.put_many(keys("ab"), vectors("ab", 5))
    await store.put_many(keys("c"), vectors("c", 7))
    for names, found, dim in (("xacb", [1, 3], 5), ("xca", [1], 7)):
        positions, rows = await store.get_many(keys(names), None)
        assert (positions.tolist(), rows.shape) == (found, (len(found), dim))


async def test_the_same_key_many_times(store: AnyStore) -> None:
    await store.put_many(keys("aab"), np.stack([*vectors("xa", 5), *vectors("b", 5)]))
    positions, rows = await store.get_many(keys("abab"), 5)
    assert positions.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(rows, vectors("abab", 5))  # of the two for "a", the later one


async def test_a_key_put_again_has_the_later_row(store: AnyStore) -> None:
    for dim in (5, 5, 7):
        await store.put_many(keys("a"), vectors([f"a{dim}"], dim))
        _, rows = await store.get_many(keys("a"), None)
        np.testing.assert_array_equal(rows, vectors([f"a{dim}"], dim))


async def test_75_rows_are_the_callers_own(store: AnyStore) -> None:
    mine = vectors("ab", 5)
    await store.put_many(keys("ab"), mine)
    mine[:] = 0
    _, rows = await store.get_many(keys("ab"), 5)
    rows[:] = 1
    _, again = await store.get_many(keys("ab"), 5)
    np.testing.assert_array_equal(again, vectors("ab", 5))


async def test_any_layout_is_kept(store: AnyStore) -> None:
    rows = vectors("abcd", 6)
    await store.put_many(keys("abcd"), np.asfortranarray(rows))
    await store.put_many(keys("ac"), rows[::2])
    _, found = await store.get_many(keys("abcd"), 6)
    np.testing.assert_array_equal(found, rows)


async def test_more_than_it_may_hold(store: AnyStore, tmp_path: Path) -> None:
    small: AnyStore = (
        MemoryStore(max_bytes=2**20)
        if isinstance(store, MemoryStore)
        else SQLiteStore(tmp_path / "small.db", max_bytes=2**20)
    )
    names = range(6000)
    await small.put_many(keys(names), vectors(names, 100))
    positions, rows = await small.get_many(keys(names), 100)
    assert 1000 < len(positions) < 3000
    if isinstance(store, MemoryStore):
        assert positions[-1] == 5999  # the latest stay
    np.testing.assert_array_equal(rows, vectors(positions.tolist(), 100))
    await small.aclose()


async def test_closing_twice_is_fine(store: AnyStore) -> None:
    await store.put_many(keys("a"), vectors("a", 5))
    await store.aclose()
    await store.aclose()


@pytest.mark.parametrize("kind", [MemoryStore, lambda **bytes_: SQLiteStore("x.db", **bytes_)])
def test_too_little_is_rejected(kind: type[MemoryStore]) -> None:
    with pytest.raises(ConfigError, match=r"max_bytes=1000: give .* at least 1048576"):
        kind(max_bytes=1000)
