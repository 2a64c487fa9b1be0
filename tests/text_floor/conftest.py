"""Small steps, so that there are many of them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done in steps, for the sake of the event loop, is done in many."""
    monkeypatch.setattr("aembed._sharing.cache_layer.LOOKED_UP_AT_ONCE", 4)
    monkeypatch.setattr("aembed._sharing.cache_layer.SENT_AT_ONCE", 3)
    monkeypatch.setattr("aembed._sharing.cache.KEPT_AT_ONCE", 5)
