"""The loopback hub, and the hub's own client pointed at it, with a fresh cache for each test."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hub.server import Hub


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    server = Hub()
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()


@pytest.fixture
def cache(hub: Hub) -> Path:
    """The cache that ``hub`` is downloaded into."""
    return Path(constants.HF_HUB_CACHE)
