"""Infinity: keys, names, dimensions, texts and batches that are too long, and a queue that is full."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    BatchSplit,
    BatchTooLargeError,
    EmbedderFactory,
    Event,
    Limits,
    ModelNotFoundError,
    RateLimitError,
    RetryPolicy,
    RetryScheduled,
    TextTooLongError,
)
from aembed._wire.http import HttpTransport
from aembed.providers.openai import OPENAI
from tests.interop.fleet import TIGHT_BATCH, Fleet, tight_infinity
from tests.interop.servers import Target
from tests.interop.texts import AWKWARD, SENTENCES, mixed, similarity

TOO_LONG = "word " * 30_000
"""Infinity takes 122,880 characters."""


@pytest.fixture(scope="session")
def infinity(fleet: Fleet) -> Target:
    return fleet["infinity"]


@pytest.fixture(scope="session")
def tight(fleet: Fleet) -> Target:
    return tight_infinity(fleet)


async def test_same_vectors_as_the_local_model(infinity: Target, factory: EmbedderFactory) -> None:
    """Its weights are rounded to eight bits, which shows a little in texts that are not language."""
    served, local = await infinity.embedder(factory), await factory.new_embedder("local", overlong="truncate")
    likeness = similarity(await served.embed_documents(SENTENCES), await local.embed_documents(SENTENCES))
    assert np.min(likeness) >= 0.999
    texts = mixed(50) + AWKWARD
    assert np.min(similarity(await served.embed_documents(texts), await local.embed_documents(texts))) >= 0.998


@pytest.mark.parametrize("key", ["wrong-made-up-0123456789", None])
async def test_wrong_key(infinity: Target, factory: EmbedderFactory, key: str | None) -> None:
    embedder = await infinity.embedder(factory, api_key=key)
    with pytest.raises(AuthenticationError, match="api_key") as caught:
        await embedder.embed_documents(mixed(3))
    assert caught.value.status == 401
    assert "wrong-made-up" not in str(caught.value)


async def test_wrong_model(infinity: Target, factory: EmbedderFactory) -> None:
    embedder = await Target(infinity.server, "no-such-model", infinity.key).embedder(factory)
    with pytest.raises(ModelNotFoundError, match="model's name") as caught:
        await embedder.embed_query("text")
    assert caught.value.status == 400


async def test_dimensions(infinity: Target, factory: EmbedderFactory) -> None:
    short = await infinity.embedder(factory, dimensions=64)
    vectors = await short.embed_documents(mixed(20))
    assert vectors.shape == (20, 64)
    full = await (await infinity.embedder(factory)).embed_documents(mixed(20))
    assert np.min(similarity(vectors, full[:, :64])) > 0.999


async def test_dimensions_it_does_not_have(infinity: Target, factory: EmbedderFactory) -> None:
    embedder = await infinity.embedder(factory, dimensions=1000)
    with pytest.raises(BadRequestError, match="gives 384, not 1000"):
        await embedder.embed_query("text")


async def test_text_too_long(infinity: Target, factory: EmbedderFactory) -> None:
    embedder = await infinity.embedder(factory)
    with pytest.raises(TextTooLongError, match="122880 characters") as caught:
        await embedder.embed_documents(["short", "shorter", TOO_LONG, "shortest"])
    assert caught.value.index == 2
    assert "word word" not in str(caught.value)
    result = await embedder.embed(["short", "shorter", TOO_LONG, "shortest"], on_error="return")
    assert set(result.failures) == {2}
    assert np.isfinite(result.vectors[[0, 1, 3]]).all()


async def test_text_too_long_truncated(infinity: Target, factory: EmbedderFactory) -> None:
    embedder = await infinity.embedder(factory, overlong="truncate")
    result = await embedder.embed(["short", TOO_LONG])
    assert result.ok
    assert result.truncated == (1,)
    assert similarity(result.vectors[1], await embedder.embed_query("word " * 250)) > 0.99


async def test_text_too_long_split(infinity: Target, factory: EmbedderFactory) -> None:
    embedder = await infinity.embedder(factory, overlong="split")
    result = await embedder.embed(["short", TOO_LONG])
    assert result.ok
    assert result.truncated == ()
    np.testing.assert_allclose(np.linalg.norm(result.vectors, axis=1), 1.0, atol=1e-3)


async def test_larger_than_its_batch(tight: Target, factory: EmbedderFactory) -> None:
    """aembed sends 128 texts unasked; halved twice, they fit."""
    split: list[Event] = []
    texts = mixed(128)
    one_at_a_time = Limits(max_concurrency=1)
    embedder = await tight.embedder(factory, limits=one_at_a_time, on_event=split.append)
    vectors = await embedder.embed_documents(texts)
    assert [event.texts for event in split if isinstance(event, BatchSplit)] == [128, 64, 64]
    assert all(isinstance(event.error, BatchTooLargeError) for event in split if isinstance(event, BatchSplit))
    within = await tight.embedder(factory, limits=one_at_a_time, batch_size=TIGHT_BATCH)
    assert np.min(similarity(vectors, await within.embed_documents(texts))) > 0.98


async def test_the_reply_to_a_batch_that_is_too_large(infinity: Target, transport: HttpTransport) -> None:
    provider = await OPENAI(infinity.source(transport))
    with pytest.raises(BatchTooLargeError, match="at most 2048 items") as caught:
        await provider.embed(["text"] * 3000, kind="document")
    assert caught.value.status == 422


async def test_full_queue(tight: Target, factory: EmbedderFactory) -> None:
    """It rejects with 429 and no Retry-After."""
    texts = [f"text {number}" for number in range(2 * TIGHT_BATCH)]
    retried: list[Event] = []
    embedder = await tight.embedder(
        factory,
        limits=Limits(max_concurrency=12),
        retry=RetryPolicy(max_attempts=20, initial_delay=0.2, max_delay=3.0),
        batch_size=TIGHT_BATCH,
        on_event=retried.append,
        timeout=120,
    )
    jobs = await asyncio.gather(*(embedder.embed_documents(texts) for _ in range(6)))
    assert all(np.isfinite(vectors).all() for vectors in jobs)
    errors = [event.error for event in retried if isinstance(event, RetryScheduled)]
    assert errors, "the queue was never full"
    assert all(isinstance(error, RateLimitError) for error in errors)
