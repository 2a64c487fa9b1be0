"""Tests for every server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import anyio.to_thread
import numpy as np
import pytest

from aembed import (
    ConnectError,
    EmbedderFactory,
    Event,
    Limits,
    ModelNotFoundError,
    Provider,
    ProviderError,
    RequestDone,
    RetryPolicy,
)
from aembed._wire.http import HttpTransport
from aembed.providers.openai import OPENAI
from tests.contract import RULES, Rule
from tests.interop.servers import Target
from tests.interop.texts import AWKWARD, mixed, similarity

DIM = 384
QUICK = RetryPolicy(max_attempts=2, initial_delay=0.01)


def on_request(number: int, act: Callable[[], object]) -> Callable[[Event], None]:
    """Do something in the middle of a job: once, when so many of its requests are done."""
    done = 0

    def count(event: Event) -> None:
        nonlocal done
        done += isinstance(event, RequestDone)
        if done == number and isinstance(event, RequestDone):
            act()

    return count


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_contract(target: Target, transport: HttpTransport, rule: Rule) -> None:
    def opener() -> Awaitable[Provider]:
        return OPENAI(target.source(transport))

    await rule(opener)


async def test_many_batches_of_mixed_lengths(target: Target, factory: EmbedderFactory) -> None:
    texts = mixed(150)
    embedder = await target.embedder(factory, batch_size=16)
    result = await embedder.embed(texts)
    assert result.ok
    assert result.vectors.shape == (len(texts), DIM)
    assert result.vectors.dtype == np.float32
    assert await embedder.get_dimension() == embedder.spec.dim == DIM
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1.0, atol=1e-3)
    assert result.usage.requests == 10
    assert result.usage.tokens is not None
    assert result.usage.tokens > len(texts)
    in_other_company = await (await target.embedder(factory, batch_size=7)).embed_documents(texts[::-1])
    assert np.min(similarity(result.vectors, in_other_company[::-1])) > 0.98
    nearest = np.argmax(result.vectors @ in_other_company[::-1].T, axis=1)
    assert nearest.tolist() == list(range(len(texts)))


async def test_awkward_texts(target: Target, factory: EmbedderFactory) -> None:
    embedder = await target.embedder(factory)
    together = await embedder.embed_documents(AWKWARD)
    alone = np.array([await embedder.embed_query(text) for text in AWKWARD])
    assert np.min(similarity(together, alone)) > 0.98
    assert (
        len(np.unique(together, axis=0)) >= len(AWKWARD) - 1
    )  # uncased models read both ways to write an accent alike


async def test_into_rows_of_ones_own(target: Target, factory: EmbedderFactory) -> None:
    texts = mixed(40)
    embedder = await target.embedder(factory, batch_size=16)
    out = np.full((len(texts), DIM), np.nan, np.float32)
    assert await embedder.embed_documents(texts, out=out) is out
    assert np.min(similarity(out, await embedder.embed_documents(texts))) > 0.98


async def test_stream(target: Target, factory: EmbedderFactory) -> None:
    texts = mixed(150)
    embedder = await target.embedder(factory, batch_size=16)
    seen = 0
    async with embedder.stream_documents(iter(texts)) as chunks:
        async for chunk in chunks:
            assert list(chunk.texts) == texts[chunk.start : chunk.start + len(chunk)]
            assert chunk.vectors.shape == (len(chunk), DIM)
            seen += len(chunk)
    assert seen == len(texts)


@pytest.mark.parametrize("in_flight", [16, 200])
async def test_two_hundred_callers(target: Target, factory: EmbedderFactory, in_flight: int) -> None:
    texts = mixed(200)
    limits = Limits(max_concurrency=min(in_flight, target.at_once))
    embedder = await target.embedder(factory, limits=limits, timeout=120)
    found = np.array(await asyncio.gather(*(embedder.embed_query(text) for text in texts)))
    one_batch = (await embedder.embed(texts, kind="query")).vectors
    assert np.argmax(found @ one_batch.T, axis=1).tolist() == list(range(len(texts)))
    assert embedder.statistics().in_flight == 0


async def test_cancelled_in_the_middle(target: Target, factory: EmbedderFactory) -> None:
    jobs: list[asyncio.Task[object]] = []
    embedder = await target.embedder(
        factory, batch_size=4, timeout=120, on_event=on_request(5, lambda: [job.cancel() for job in jobs])
    )
    texts = mixed(80)
    jobs += [asyncio.create_task(embedder.embed(texts)) for _ in range(3)]
    jobs += [asyncio.create_task(embedder.embed_query(text)) for text in texts[:30]]
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) >= 3
    assert embedder.statistics().in_flight == 0
    for text in texts[:20]:
        assert (await embedder.embed_query(text)).shape == (DIM,)
    assert embedder.statistics().retries == 0


async def test_killed_in_the_middle_and_started_again(target: Target, factory: EmbedderFactory) -> None:
    server = target.server
    embedder = await target.embedder(
        factory, batch_size=4, retry=QUICK, on_event=on_request(5, lambda: server.stop(signal.SIGKILL))
    )
    texts = mixed(80)
    try:
        with pytest.raises(ConnectError) as caught:
            await embedder.embed_documents(texts)
        partial = caught.value.partial
        assert partial is not None
        there = np.isfinite(partial.vectors).all(axis=1)
        assert 20 <= np.sum(there) < len(texts)
        assert np.sum(there) + len(partial.failures) + len(partial.not_attempted) == len(texts)
        assert str(server.port) in str(caught.value) or "connection" in str(caught.value)
        health = await embedder.check_health()
        assert isinstance(health.error, ConnectError)
        rest = await embedder.embed(texts[:8], on_error="return")
        assert set(rest.failures) == set(range(8))
    finally:
        await anyio.to_thread.run_sync(server.start)
    again = await embedder.embed_documents(texts)
    assert np.min(similarity(again[there], partial.vectors[there])) > 0.98


async def test_wrong_path(target: Target, factory: EmbedderFactory) -> None:
    embedder = await target.embedder(factory, base_url=f"{target.server.base_url}/nowhere", retry=QUICK)
    with pytest.raises(ModelNotFoundError, match="base_url") as caught:
        await embedder.embed_query("text")
    assert caught.value.status == 404


async def test_out_of_time(target: Target, factory: EmbedderFactory) -> None:
    embedder = await target.embedder(factory, batch_size=4, retry=QUICK, timeout=0.001)
    with pytest.raises(ProviderError, match="timeout"):
        await embedder.embed_documents(mixed(20))
    patient = await target.embedder(factory)
    assert (await patient.embed_query("text")).shape == (DIM,)
