"""At the deadline nothing more is sent, though a wait for a slot, an answer or a retry ends in the same moment."""

from __future__ import annotations

import asyncio
import random

import pytest

from aembed import ConnectError, EmbedderFactory, Limits, ProviderError, RateLimitError, RetryPolicy
from aembed.testing import ScriptedProvider
from tests.scripted import PAIRS, TEXTS, batches

DEADLINE_S = 0.5


@pytest.mark.virtual_time
@pytest.mark.parametrize("cache", [False, True])
async def test_a_slot_that_a_call_frees_at_the_deadline_of_another_stays_free(
    factory: EmbedderFactory, cache: bool
) -> None:
    provider = ScriptedProvider(latency=5.0, spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=cache, limits=Limits(max_concurrency=1))
    results = await asyncio.gather(
        embedder.embed(TEXTS[:2], deadline=DEADLINE_S, on_error="return"),
        embedder.embed(TEXTS[4:8], deadline=DEADLINE_S, on_error="return"),
    )
    assert batches(provider) == [tuple(TEXTS[:2])]
    assert [result.usage.requests for result in results] == [1, 0]
    assert embedder.statistics().in_flight == 0
    assert (await embedder.embed_documents(TEXTS[4:8])).shape == (4, 8)


@pytest.mark.virtual_time
@pytest.mark.parametrize("cache", [False, True])
async def test_an_answer_at_the_deadline_is_not_followed_by_another_batch(
    factory: EmbedderFactory, cache: bool
) -> None:
    provider = ScriptedProvider(latency=DEADLINE_S, spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=cache, limits=Limits(max_concurrency=1))
    result = await embedder.embed(TEXTS[:6], deadline=DEADLINE_S, on_error="return")
    assert batches(provider) == [tuple(TEXTS[:2])]
    assert result.usage.requests == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("error", [RateLimitError("slower", retry_after=DEADLINE_S), ConnectError("reset")], ids=type)
async def test_a_retry_due_at_the_deadline_is_not_sent(
    factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch, error: ProviderError, cache: bool
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)  # the longest delay
    provider = ScriptedProvider([error, error], spec=PAIRS)
    retry = RetryPolicy(initial_delay=DEADLINE_S, max_delay=DEADLINE_S)
    embedder = await factory.new_embedder(provider, cache=cache, retry=retry, limits=Limits(max_concurrency=3))
    result = await embedder.embed(TEXTS[:4], deadline=DEADLINE_S, on_error="return")
    assert len(set(batches(provider))) == len(batches(provider))
    assert result.usage.requests == embedder.statistics().requests == len(provider.calls)
