"""Batches fit the account's quota, and a text that never fits is rejected at once."""

from __future__ import annotations

import asyncio

import pytest

from aembed import EmbedderFactory, Event, InputError, Limits, ModelSpec, QuotaHints, Reply
from aembed.providers.mock import MockOptions, MockProvider
from aembed.testing import ScriptedProvider
from tests.gate.visits import limited

pytestmark = pytest.mark.virtual_time

SPEC = ModelSpec(name="scripted", provider="scripted", dim=8, max_batch_texts=2048)
FORTY_TOKENS = [f"{number:04}" * 40 for number in range(200)]


async def sizes(factory: EmbedderFactory, limits: Limits, spec: ModelSpec = SPEC) -> list[int]:
    """Number of texts of each request, none of which may be rejected or split."""
    events: list[Event] = []
    provider = ScriptedProvider(spec=spec)
    embedder = await factory.new_embedder(provider, limits=limits, on_event=events.append)
    vectors = await embedder.embed_documents(FORTY_TOKENS)
    expected = await MockProvider(MockOptions(dim=8)).embed(FORTY_TOKENS, kind="document")
    assert vectors.tolist() == expected.vectors.tolist()
    assert {type(event).__name__ for event in events} == {"RequestDone", "CallDone"}
    return [len(call.texts) for call in provider.calls]


async def test_without_a_quota_they_are_as_large_as_the_provider_takes(factory: EmbedderFactory) -> None:
    assert await sizes(factory, Limits()) == [200]


async def test_a_quota_of_tokens_is_spent_in_many_batches(factory: EmbedderFactory) -> None:
    """4,000 of 8,200 tokens are allowed per minute: the last go in the third."""
    counts = await sizes(factory, limited(tokens=4000.0))
    assert max(counts) * 41 <= 4000 / 16
    assert asyncio.get_running_loop().time() < 130


async def test_fewer_requests_a_minute_make_them_larger_up_to_half_the_tokens(factory: EmbedderFactory) -> None:
    assert max(await sizes(factory, limited(requests=4.0, tokens=8200.0))) == 100


async def test_a_quota_of_inputs_is_a_cap_on_texts(factory: EmbedderFactory) -> None:
    assert max(await sizes(factory, limited(inputs=60.0))) == 60


async def test_a_quota_of_requests_that_counts_texts_is_spent_in_many_batches(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="scripted", provider="scripted", dim=8, max_batch_texts=100, quota_unit="input")
    assert max(await sizes(factory, limited(requests=30.0), spec)) == 30


async def test_fault_76_a_text_above_the_quota_is_rejected_at_once_and_the_others_are_not(
    factory: EmbedderFactory,
) -> None:
    provider = ScriptedProvider(spec=SPEC)
    embedder = await factory.new_embedder(provider, limits=limited(tokens=1000.0))
    result = await embedder.embed(["short", "long " * 4000, "brief"], on_error="return")
    assert list(result.failures) == [1]
    with pytest.raises(InputError, match=r"\d+ tokens is more than the 1000 tokens") as raised:
        raise result.failures[1]
    assert raised.value.index == 1
    assert asyncio.get_running_loop().time() == 0.0
    assert [text for call in provider.calls for text in call.texts] == ["short", "brief"]


async def test_fault_76_a_query_above_the_quota_is_rejected_without_a_request(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=SPEC)
    embedder = await factory.new_embedder(provider, limits=limited(tokens=1000.0))
    with pytest.raises(InputError, match="more than the 1000 tokens"):
        await embedder.embed_query("long " * 4000)
    assert provider.calls == []
    assert embedder.statistics().waiting == 0


async def test_a_batch_planned_before_the_quota_was_known_is_split_not_rejected(factory: EmbedderFactory) -> None:
    """The first reply reports 1,000 tokens per minute; batches of 2,000 were waiting."""
    vectors = (await MockProvider(MockOptions(dim=8)).embed(FORTY_TOKENS[:50], kind="document")).vectors
    told = Reply(vectors, 2000, QuotaHints(limit_tokens=1000.0, remaining_tokens=1000.0, reset_tokens=0.0))
    spec = ModelSpec(name="scripted", provider="scripted", dim=8, max_batch_texts=50, max_concurrency=1)
    provider = ScriptedProvider([told], spec=spec)
    embedder = await factory.new_embedder(provider)
    result = await embedder.embed(FORTY_TOKENS, on_error="return")
    assert result.ok
    assert max(len(call.texts) for call in provider.calls[1:]) * 40 <= 1000
