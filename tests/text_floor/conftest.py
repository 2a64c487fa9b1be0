"""Small steps, so that there are many of them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is split for the event loop is split into many steps."""
    monkeypatch.setattr("aembed._sharing.cache_layer.MAX_TEXTS_PER_LOOKUP", 4)
    monkeypatch.setattr("aembed._sharing.cache_layer.MAX_TEXTS_PER_STEP", 3)
    monkeypatch.setattr("aembed._sharing.cache.MAX_ROWS_PER_PUT", 5)
