"""LiteLLM's proxy: requests that it rejects, and its errors when the server behind it is gone."""

from __future__ import annotations

import signal

import anyio.to_thread
import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    EmbedderFactory,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RetryPolicy,
    TextTooLongError,
)
from tests.interop.fleet import Fleet
from tests.interop.servers import Target
from tests.interop.texts import mixed, similarity


@pytest.fixture(scope="session")
def litellm(fleet: Fleet) -> Target:
    return fleet["litellm"]


def rejected(target: Target) -> int:
    """Requests that the server has answered with 400."""
    return target.server.said().count('/embeddings HTTP/1.1" 400')


@pytest.mark.parametrize(("name", "rejections"), [("litellm", 0), ("litellm, numbers", 1), ("litellm, dropping", 0)])
async def test_base64_is_requested_until_it_is_rejected(
    fleet: Fleet, factory: EmbedderFactory, name: str, rejections: int
) -> None:
    target = fleet[name]
    before = rejected(target)
    embedder = await target.embedder(factory, batch_size=16)
    await embedder.embed_query("first")
    vectors = await embedder.embed_documents(mixed(60))
    assert rejected(target) - before == rejections
    direct = await (await fleet["infinity"].embedder(factory)).embed_documents(mixed(60))
    assert np.min(similarity(vectors, direct)) > 0.9999


@pytest.mark.parametrize(("name", "rejections"), [("litellm", 1), ("litellm, numbers", 2), ("litellm, dropping", 0)])
async def test_dimensions_are_rejected(fleet: Fleet, factory: EmbedderFactory, name: str, rejections: int) -> None:
    """The model's own dimension is no reason to fail; another one is."""
    target = fleet[name]
    before = rejected(target)
    embedder = await target.embedder(factory, dimensions=384)
    await embedder.embed_query("first")
    assert (await embedder.embed_documents(mixed(20))).shape == (20, 384)
    assert rejected(target) - before == rejections
    other = await target.embedder(factory, dimensions=64)
    with pytest.raises(ProviderError, match=r"384.*64"):
        await other.embed_query("text")


async def test_dimensions_are_rejected_by_name(litellm: Target, factory: EmbedderFactory) -> None:
    embedder = await litellm.embedder(factory, dimensions=64)
    with pytest.raises(BadRequestError, match="leave dimensions out"):
        await embedder.embed_query("text")


async def test_wrong_model(litellm: Target, factory: EmbedderFactory) -> None:
    embedder = await Target(litellm.server, "no-such-model", litellm.key).embedder(factory)
    with pytest.raises(ModelNotFoundError):
        await embedder.embed_query("text")


async def test_wrong_key(litellm: Target, factory: EmbedderFactory) -> None:
    """Without a database it knows its master key only, and says of others that it has no database."""
    embedder = await litellm.embedder(factory, api_key="sk-wrong-made-up-0123456789")
    with pytest.raises(AuthenticationError, match="api_key") as caught:
        await embedder.embed_query("text")
    assert "sk-wrong" not in str(caught.value)


async def test_no_key(litellm: Target, factory: EmbedderFactory) -> None:
    """It then fails for want of its database client: a plain 500 without a cause."""
    embedder = await litellm.embedder(factory, api_key=None, retry=RetryPolicy(max_attempts=2, initial_delay=0.01))
    with pytest.raises(ProviderError) as caught:
        await embedder.embed_query("text")
    assert caught.value.status in {401, 500}


async def test_text_too_long(litellm: Target, factory: EmbedderFactory) -> None:
    """Infinity's rejection comes through as the text of an error of LiteLLM's, with the text that was sent in it."""
    texts = ["short", "word " * 30_000]
    embedder = await litellm.embedder(factory)
    with pytest.raises(TextTooLongError, match="122880 characters") as caught:
        await embedder.embed_documents(texts)
    assert caught.value.index == 1
    assert "word word" not in str(caught.value)
    result = await (await litellm.embedder(factory, overlong="truncate")).embed(texts)
    assert result.truncated == (1,)


async def test_the_server_behind_it_is_gone(fleet: Fleet, litellm: Target, factory: EmbedderFactory) -> None:
    """It answers 500 at first, then 429 while it lets that server alone for some seconds."""
    behind = fleet["infinity"].server
    embedder = await litellm.embedder(factory, retry=RetryPolicy(max_attempts=2, initial_delay=0.01, max_retry_after=1))
    behind.stop(signal.SIGKILL)
    try:
        with pytest.raises((OverloadedError, RateLimitError)) as caught:
            await embedder.embed_query("text")
        assert caught.value.retryable
        assert caught.value.status is not None
    finally:
        await anyio.to_thread.run_sync(behind.start)
    patient = await litellm.embedder(factory, retry=RetryPolicy(max_attempts=8, initial_delay=2.0))
    assert (await patient.embed_query("text")).shape == (384,)
