"""Texts in flight are not sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from numpy.typing import NDArray

from aembed import EmbedderFactory, Limits, Vectors
from aembed.testing import ScriptedProvider
from tests.memo.shelf import Shelf
from tests.scripted import PAIRS, TEXTS, expected, sent


@pytest.mark.virtual_time
async def test_a_text_is_sent_once_for_all_calls_that_want_it(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [TEXTS[:6], TEXTS[3:9], TEXTS[::-1], TEXTS[4:5], [TEXTS[0], TEXTS[0], TEXTS[11]]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert sorted(sent(provider)) == sorted(TEXTS)
    statistics = embedder.statistics()
    assert (statistics.cache_misses, statistics.cache_shared) == (12, 3 + 9 + 1 + 2)


async def test_lookups_of_the_same_texts_do_not_race(factory: EmbedderFactory) -> None:
    """Both find nothing; one sends."""

    class Thoughtful(Shelf):
        async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], Vectors]:
            for _ in range(len(keys)):
                await anyio.lowlevel.checkpoint()
            return await super().get_many(keys, dim)

    provider = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=Thoughtful())
    await asyncio.gather(*(embedder.embed_documents(TEXTS[start:]) for start in (0, 3, 6, 11, 2, 0)))
    assert sorted(sent(provider)) == sorted(TEXTS)


@pytest.mark.virtual_time
async def test_a_lookup_that_has_ended_already_holds_up_no_call(factory: EmbedderFactory) -> None:
    """A call that waits for two lookups waits for one after the other; the second may be over by then."""
    embedder = await factory.new_embedder(ScriptedProvider(), cache=Shelf(slow=1.0))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for texts in (["b"], ["a"], ["a", "b"]):
                tasks.start_soon(embedder.embed_documents, texts)
                await anyio.sleep(0.3)


@pytest.mark.virtual_time
async def test_a_row_is_there_when_its_batch_is(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    bulk = asyncio.create_task(embedder.embed_documents(TEXTS))
    await anyio.sleep(0.5)
    await embedder.embed_documents(TEXTS[2:4])
    assert anyio.current_time() == pytest.approx(2.0)
    await embedder.embed_documents(TEXTS[1:2])  # is there
    assert anyio.current_time() == pytest.approx(2.0)
    await bulk
    assert anyio.current_time() == pytest.approx(6.0)


@pytest.mark.virtual_time
async def test_shared_texts_are_paid_for_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    one, two = await asyncio.gather(embedder.embed(TEXTS[:4]), embedder.embed(TEXTS[2:6]))
    assert [(result.usage.requests, result.usage.tokens) for result in (one, two)] == [(2, 10), (1, 5)]
