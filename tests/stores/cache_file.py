"""Rows put into a cache in a file, and found there."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from aembed.stores import SQLiteStore
from tests.stores.rows import keys, vectors

NAMES = range(20)
DIM = 8


async def put(store: SQLiteStore, names: Sequence[int] = NAMES, dim: int = DIM) -> None:
    await store.put_many(keys(names), vectors(names, dim))


async def known(store: SQLiteStore, names: Sequence[int] = NAMES, dim: int = DIM) -> list[int]:
    """Names that are found; their vectors are checked."""
    positions, rows = await store.get_many(keys(names), dim)
    found = [names[i] for i in positions]
    np.testing.assert_array_equal(rows, vectors(found, dim))
    return found


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db
