"""Texts that the cache misses are merged."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import AuthenticationError, EmbedderFactory, Limits
from aembed.testing import ScriptedProvider
from tests.merge.gathering import PATIENT, WIDE, queries
from tests.scripted import TEXTS, batches, expected


@pytest.mark.virtual_time
async def test_texts_that_the_cache_misses_are_merged(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True)
    for _ in range(2):
        vectors = await asyncio.gather(*await queries(embedder, TEXTS + TEXTS))
        np.testing.assert_array_equal(vectors, await expected(TEXTS + TEXTS))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:])]
    assert anyio.current_time() == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_a_call_that_leaves_a_merged_request_takes_nothing_from_the_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True)
    calls = await queries(embedder, [*TEXTS[:4], TEXTS[1], TEXTS[2]])
    calls[1].cancel()
    calls[3].cancel()
    await anyio.sleep(1.5)
    calls[2].cancel()
    await asyncio.wait(calls)
    np.testing.assert_array_equal([calls[i].result() for i in (0, 4, 5)], await expected(TEXTS[:3]))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:3])]


@pytest.mark.virtual_time
async def test_a_rejected_key_ends_calls_that_are_only_partly_sent(factory: EmbedderFactory) -> None:
    """The second call has texts in both merged requests, and the first of these is rejected."""
    spec = replace(WIDE, max_batch_tokens=12)
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=spec, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, cache=True, limits=Limits(max_concurrency=1))
    calls = [TEXTS[:1], TEXTS[1:5], TEXTS[5:9]]
    outcomes = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1:]] == [AuthenticationError] * 2
    assert len(provider.calls) == 2
    partials = [outcome.partial for outcome in outcomes if isinstance(outcome, AuthenticationError)]
    assert [(list(p.failures), p.not_attempted) for p in partials if p] == [([0, 1, 2, 3], ()), ([0, 1], (2, 3))]
