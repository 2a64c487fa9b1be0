"""The place of the cache, from code, file and environment; one place is one store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import Config, ConfigError, EmbedderFactory
from aembed.stores import MemoryStore
from aembed.testing import ScriptedProvider
from tests.scripted import TEXTS


async def test_the_configuration_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aembed.toml").write_text(  # noqa: ASYNC240
        'model = "mock"\ncache = "vectors.db"\n', encoding="utf-8"
    )
    assert Config.load().cache == Path("vectors.db")
    async with EmbedderFactory() as factory:
        await (await factory.new_embedder()).embed_query("text")
    assert (tmp_path / "vectors.db").exists()
    for value, meant in {"true": True, "false": False, "True": True, "other.db": Path("other.db")}.items():
        monkeypatch.setenv("AEMBED_CACHE", value)
        assert Config.load().cache == meant


@pytest.mark.parametrize("place", ["", 7, 1.5, object(), []], ids=lambda place: type(place).__name__)
async def test_a_cache_that_is_no_place_is_rejected(factory: EmbedderFactory, place: Any) -> None:
    with pytest.raises(ConfigError, match="cache: give True, the path of a file, or a Store"):
        await factory.new_embedder("mock", cache=place)


async def test_one_place_is_one_store(factory: EmbedderFactory, tmp_path: Path) -> None:
    provider = ScriptedProvider()
    for place in (True, True, tmp_path / "a.db", str(tmp_path / "a.db"), Path("a.db"), MemoryStore(), MemoryStore()):
        embedder = await factory.new_embedder(provider, cache=place)
        await embedder.embed_documents(TEXTS)
    assert len(provider.calls) == 4


async def test_a_factory_closed_meanwhile_leaves_no_file_open(tmp_path: Path) -> None:
    factory = EmbedderFactory(Config())
    opening = asyncio.create_task(factory.new_embedder("mock", cache=tmp_path / "vectors.db"))
    await anyio.lowlevel.checkpoint()
    await factory.aclose()
    with pytest.raises(Exception, match="closed"):
        await opening
