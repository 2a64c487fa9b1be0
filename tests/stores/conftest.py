"""A cache in a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from aembed.stores import SQLiteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLiteStore]:
    async with SQLiteStore(path) as store:
        yield store
