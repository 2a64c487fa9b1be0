"""Cached texts are not sent, by any method of any embedder that shares the cache."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import AuthenticationError, EmbedderFactory, Limits, ModelSpec, ReplyError
from aembed._engine.proof import PROBE
from aembed.testing import ScriptedProvider
from tests.memo.shelf import Shelf
from tests.scripted import PAIRS, TEXTS, expected, sent


@pytest.mark.parametrize("place", ["memory", "file", "store"])
async def test_cached_texts_are_not_sent(factory: EmbedderFactory, tmp_path: Path, place: str) -> None:
    cache: Any = {"memory": True, "file": tmp_path / "vectors.db", "store": Shelf()}[place]
    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=cache)
    first = await embedder.embed_documents(TEXTS[:6])
    assert sorted(sent(provider)) == TEXTS[:6]
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[5::-1]), first[::-1])
    result = await embedder.embed(TEXTS[2:8])
    assert sorted(sent(provider)) == TEXTS[:8]
    np.testing.assert_array_equal(result.vectors, await expected(TEXTS[2:8]))
    assert (result.usage.requests, result.usage.tokens) == (1, 5)
    out = np.empty((8, 8), np.float32)
    assert await embedder.embed_documents(TEXTS[:8], out=out) is out
    np.testing.assert_array_equal(out, await expected(TEXTS[:8]))
    async with embedder.stream_documents(TEXTS[:8]) as chunks:
        assert sum([len(chunk) async for chunk in chunks]) == 8
    statistics = embedder.statistics()
    assert (statistics.cache_hits, statistics.cache_misses, statistics.requests) == (6 + 4 + 8 + 8, 8, 4)


async def test_a_query_is_no_document(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=True)
    for _ in range(2):
        await embedder.embed_documents(["text"])
        await embedder.embed_query("text")
    assert [call.kind for call in provider.calls] == ["document", "query"]


async def test_without_a_cache_every_text_is_sent(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    for _ in range(2):
        await embedder.embed_query("text")
    assert len(provider.calls) == 2


@pytest.mark.virtual_time
async def test_a_hit_does_not_wait_for_the_gate(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(requests_per_minute=1))
    await embedder.embed_query("known")
    unknown = asyncio.create_task(embedder.embed_query("unknown", deadline=3600.0))
    await anyio.sleep(1)
    assert embedder.statistics().waiting == 1
    before = anyio.current_time()
    await embedder.embed_query("known")
    assert anyio.current_time() == before
    await unknown
    assert anyio.current_time() > before + 30


async def test_other_tasks_run_between_lookups_of_many_texts(factory: EmbedderFactory) -> None:
    texts = [f"text {number}" for number in range(20_000)]
    embedder = await factory.new_embedder("mock", dimensions=8, cache=True)
    await embedder.embed_documents(texts)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    task = asyncio.create_task(others())
    await anyio.lowlevel.checkpoint()
    before = turns
    await embedder.embed_documents(texts)
    assert turns - before >= 15
    task.cancel()
    await asyncio.wait([task])
    assert embedder.statistics().cache_hits == 20_000


async def test_health_and_dimension_are_asked_of_the_provider(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=ModelSpec(name="model"))
    embedder = await factory.new_embedder(provider, cache=True, merge=True)
    await embedder.embed_query(PROBE)
    assert not (await embedder.check_health()).ok
    assert (await embedder.check_health()).ok
    again = await factory.new_embedder(provider, cache=True, merge=True)
    assert await again.get_dimension() == 8
    assert len(provider.calls) == 4


async def test_a_hit_serves_also_while_the_dimension_is_unknown(factory: EmbedderFactory) -> None:
    shelf = Shelf()
    providers = [ScriptedProvider(spec=ModelSpec(name="model")) for _ in range(2)]
    for provider in providers:
        embedder = await factory.new_embedder(provider, cache=shelf)
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
    assert providers[1].calls == []
    assert await embedder.get_dimension() == 8
    assert embedder.spec.dim == 8


async def test_rows_of_two_dimensions_are_not_mixed(factory: EmbedderFactory) -> None:
    shelf = Shelf()
    spec = ModelSpec(name="model")
    embedder = await factory.new_embedder(ScriptedProvider(spec=spec, dim=8), cache=shelf)
    await embedder.embed_documents(TEXTS[:6])
    embedder = await factory.new_embedder(ScriptedProvider(spec=spec, dim=16), cache=shelf)
    with pytest.raises(ReplyError, match="another dimension"):
        await embedder.embed_documents(TEXTS)
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS, 16))
