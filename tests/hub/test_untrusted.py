"""An ``aembed.toml`` that came with a repository starts no download; its user, a variable or a named file does."""

from __future__ import annotations

from pathlib import Path

import pytest

from aembed import Config, ConfigError, EmbedderFactory
from aembed.providers.hub import download_model
from tests.hub.server import Hub
from tests.hub.test_download import NAME, a_model
from tests.settings.files import write

MODEL = f"local:{NAME}"
FILES = {"the default model": f'model = "{MODEL}"', "a profile": f'model = "p"\n[profiles.p]\nmodel = "{MODEL}"'}


@pytest.fixture(params=FILES)
def found(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> Path:
    """A file in the working directory that names a model of the hub."""
    hub.repository(NAME).push(a_model(tmp_path / "model"))
    file = Path("aembed.toml")
    write(file, FILES[request.param])
    return file


async def dimension(model: str | None = None, config: Config | None = None) -> int:
    async with EmbedderFactory(config) as factory:
        return await (await factory.new_embedder(model)).get_dimension()


async def test_a_file_that_was_found_starts_no_download(found: Path, hub: Hub) -> None:
    with pytest.raises(ConfigError, match=rf"{NAME} is not on this disk.*aembed download.*aembed trust"):
        await dimension()
    assert hub.requests == []


async def test_a_model_on_this_disk_is_opened(found: Path, hub: Hub) -> None:
    await download_model(MODEL)
    assert await dimension() == 4


async def test_a_trusted_file_starts_a_download(found: Path, hub: Hub) -> None:
    Config.trust()
    assert await dimension() == 4


async def test_a_named_file_starts_a_download(found: Path, hub: Hub) -> None:
    assert await dimension(config=Config.load(found)) == 4


async def test_a_call_that_names_the_model_starts_a_download(found: Path, hub: Hub) -> None:
    assert await dimension(MODEL) == 4


async def test_a_variable_that_names_the_model_starts_a_download(
    found: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEMBED_MODEL", MODEL)
    assert await dimension() == 4


async def test_a_static_model_is_not_downloaded_either(hub: Hub) -> None:
    write(Path("aembed.toml"), f'model = "static:{NAME}"')
    with pytest.raises(ConfigError, match="starts no download"):
        await dimension()
    assert hub.requests == []
