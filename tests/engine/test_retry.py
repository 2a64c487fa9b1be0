"""retry(admit(...)): attempts and the gate they pass."""

from __future__ import annotations

import asyncio

import anyio
import numpy as np
import pytest

from aembed import (
    Config,
    ConnectError,
    EmbedderFactory,
    InputError,
    Limits,
    OverloadedError,
    RateLimitError,
    ReplyError,
    RetryPolicy,
)
from aembed.testing import ScriptedProvider
from tests.engine.call import NAN, TEXTS, embed


async def test_a_passing_failure_is_not_noticed() -> None:
    result = await embed(ScriptedProvider([NAN, OverloadedError("busy", retry_after=0.0)]), TEXTS[:2])
    assert result.ok
    assert result.usage.requests == 3


async def test_the_last_failure_carries_all_its_facts() -> None:
    provider = ScriptedProvider([OverloadedError("busy", status=503, retry_after=0.0)] * 9)
    result = await embed(provider, TEXTS, retry=RetryPolicy(max_attempts=3))
    (error,) = set(result.failures.values())
    assert isinstance(error, OverloadedError)
    assert (error.attempts, error.provider, error.status, error.retryable) == (3, "scripted", 503, True)
    assert "provider scripted, status 503, attempts 3" in str(error)
    assert len(provider.calls) == 3


@pytest.mark.virtual_time
async def test_a_sleeping_retry_holds_no_slot() -> None:
    provider = ScriptedProvider([ConnectError("broken")])
    retry = RetryPolicy(initial_delay=600.0, max_delay=600.0)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1), retry=retry)
        sleeping = asyncio.create_task(embedder.embed_documents(TEXTS))
        await anyio.sleep(1.0)
        await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == pytest.approx(1.0)
        await sleeping


@pytest.mark.virtual_time
async def test_every_attempt_pays_the_rate() -> None:
    provider = ScriptedProvider([OverloadedError("busy", retry_after=0.0)] * 3)
    await embed(provider, TEXTS, limits=Limits(requests_per_minute=2.0))
    assert [call.started for call in provider.calls] == pytest.approx([0, 0.1, 60, 60.1], abs=0.2)


@pytest.mark.virtual_time
async def test_after_a_429_the_account_pauses_and_the_rejected_batch_goes_first() -> None:
    provider = ScriptedProvider([RateLimitError("later", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1))
        first = asyncio.create_task(embedder.embed_documents(TEXTS))
        await anyio.sleep(1.0)
        assert embedder.statistics().paused == pytest.approx(59.0)
        await embedder.embed_documents(TEXTS[:1])
        await first
    assert [len(call.texts) for call in provider.calls] == [len(TEXTS), len(TEXTS), 1]
    assert [call.started for call in provider.calls] == pytest.approx([0.0, 60.0, 60.0])


@pytest.mark.virtual_time
async def test_a_batch_above_the_quota_of_a_minute_is_parted_until_it_fits() -> None:
    provider = ScriptedProvider()
    await embed(provider, ["x" * 400] * 4 + ["y"], limits=Limits(tokens_per_minute=250.0))
    assert max(sum(map(len, call.texts)) for call in provider.calls) <= 1000
    result = await embed(ScriptedProvider(), ["y", "x" * 4000], limits=Limits(tokens_per_minute=250.0))
    (error,) = result.failures.values()
    assert isinstance(error, InputError)
    assert (list(result.failures), error.index) == ([1], 1)


async def test_an_unusable_reply_is_requested_once_more_and_never_cached() -> None:
    result = await embed(ScriptedProvider([NAN] * 9), TEXTS[:1])
    assert {type(error) for error in result.failures.values()} == {ReplyError}
    assert {getattr(error, "attempts", 0) for error in result.failures.values()} == {2}
    assert result.usage.requests == 3, "the last to see whether the server works"
    assert np.isnan(result.vectors).all()
