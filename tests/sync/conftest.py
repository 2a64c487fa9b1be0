"""A SyncEmbedder over the mock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aembed import Config, SyncEmbedder

TEXTS = [f"text {number}" for number in range(10)]


@pytest.fixture
def embedder() -> Iterator[SyncEmbedder]:
    with SyncEmbedder("mock", config=Config()) as opened:
        yield opened
