"""Small steps, so that there are many of them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done in steps, for the sake of the event loop, is done in many."""
    monkeypatch.setattr("aembed._sharing.cache_layer.MAX_TEXTS_PER_LOOKUP", 4)
    monkeypatch.setattr("aembed._sharing.cache_layer.MAX_TEXTS_PER_STEP", 3)
    monkeypatch.setattr("aembed._sharing.cache.MAX_ROWS_PER_PUT", 5)
