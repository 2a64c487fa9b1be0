"""Closing an embedder: calls under way, a second closing, and any use after it."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import (
    ClosedError,
    EmbedderFactory,
)
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(20)]


@pytest.mark.virtual_time
async def test_closing_waits_for_calls_under_way_and_rejects_new_ones(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider)
    call = asyncio.create_task(embedder.embed_documents(TEXTS))
    await anyio.sleep(1)
    closing = asyncio.create_task(embedder.aclose())
    await anyio.sleep(1)
    assert provider.closed == 0
    with pytest.raises(ClosedError, match="scripted:scripted is closed; make a new one"):
        await embedder.embed_query("late")
    assert (await call).shape == (20, 8)
    await closing
    assert provider.closed == 1


@pytest.mark.virtual_time
async def test_the_factory_waits_for_embedders_that_are_closing_already(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=10.0)
    embedder = await factory.new_embedder(provider)
    call = asyncio.create_task(embedder.embed_query("text"))
    await anyio.sleep(1)
    closing = asyncio.create_task(embedder.aclose())
    await anyio.sleep(1)
    await factory.aclose()
    assert call.done()
    assert provider.closed == 1
    await closing


async def test_closing_twice_closes_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    async with await factory.new_embedder(provider) as embedder:
        await embedder.embed_query("text")
    await embedder.aclose()
    assert provider.closed == 1


async def test_every_use_after_the_end_is_rejected(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    await embedder.aclose()
    for call in (
        embedder.embed_query("text"),
        embedder.embed_documents(TEXTS),
        embedder.embed(TEXTS),
        embedder.get_dimension(),
    ):
        with pytest.raises(ClosedError):
            await call
    assert isinstance((await embedder.check_health()).error, ClosedError)
    assert "closed" in repr(embedder)


async def test_repr_shows_model_and_state(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", dimensions=16)
    assert repr(embedder) == "<Embedder mock:mock dim=16 <Gate in_flight=0/16 waiting=0>>"
