"""Calls share requests, and each has its own error, its own deadline and its own result."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    DeadlineError,
    EmbedderFactory,
    EmbedResult,
    Limits,
    ModelSpec,
)
from aembed.testing import ScriptedProvider
from tests.scripted import PAIRS, TEXTS, expected, sent


@pytest.mark.virtual_time
async def test_each_call_has_its_own_error(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, refused={TEXTS[2]: BadTextError("no", index=None)})
    embedder = await factory.new_embedder(provider, cache=True)
    calls = [TEXTS[:4], TEXTS[2::-1], TEXTS[1:3]]
    errors = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    assert [error.index for error in errors if isinstance(error, BadTextError)] == [2, 0, 1]
    assert len({id(error) for error in errors}) == 3
    for error, texts in zip(errors, calls, strict=True):
        assert isinstance(error, BadTextError)
        assert error.partial is not None
        assert len(error.partial.vectors) == len(texts)
        assert list(error.partial.failures) == [texts.index(TEXTS[2])]


@pytest.mark.virtual_time
async def test_a_call_that_stops_at_a_failure_stops_no_other_call(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=PAIRS, latency=1.0, refused={TEXTS[0]: BadTextError("no", index=0)})
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    leader = asyncio.create_task(embedder.embed_documents(TEXTS[:8]))
    await anyio.lowlevel.checkpoint()
    follower = asyncio.create_task(embedder.embed(TEXTS[4:6] + TEXTS[:1], on_error="return"))
    with pytest.raises(BadTextError) as caught:
        await leader
    assert anyio.current_time() <= 2.0
    assert caught.value.partial is not None
    result = await follower
    np.testing.assert_array_equal(result.vectors[:2], await expected(TEXTS[4:6]))
    assert list(result.failures) == [2]
    await anyio.sleep(10)
    assert TEXTS[6] not in sent(provider)  # no call wanted it any more


@pytest.mark.virtual_time
async def test_texts_in_flight_when_a_call_stops_are_part_of_its_result(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=2)
    provider = ScriptedProvider([1.0, 5.0], spec=spec, refused={TEXTS[0]: BadRequestError("no")})
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=2))
    with pytest.raises(BadRequestError) as caught:
        await embedder.embed_documents(TEXTS)
    assert anyio.current_time() == pytest.approx(5.0)
    partial = caught.value.partial
    assert partial is not None
    assert (list(partial.failures), partial.not_attempted) == ([0, 1], tuple(range(4, 12)))
    np.testing.assert_array_equal(partial.vectors[2:4], await expected(TEXTS[2:4]))


@pytest.mark.virtual_time
async def test_texts_that_a_stopped_call_did_not_get_count_as_not_attempted(factory: EmbedderFactory) -> None:
    """Neither the rest of a batch that was split, nor a text that another call still waits for."""
    provider = ScriptedProvider([100.0, 1.0, 1.0], refused={TEXTS[1]: BadTextError("no", index=1)})
    embedder = await factory.new_embedder(provider, cache=True)
    slow = asyncio.create_task(embedder.embed_documents(TEXTS[:1]))
    await anyio.sleep(0.5)
    with pytest.raises(BadTextError) as caught:
        await embedder.embed_documents([TEXTS[0], TEXTS[2], TEXTS[1], TEXTS[3]])
    assert caught.value.partial is not None
    assert (list(caught.value.partial.failures), caught.value.partial.not_attempted) == ([2], (0, 1, 3))
    await slow


@pytest.mark.virtual_time
async def test_a_call_that_has_failed_does_not_wait_for_requests_of_others(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([100.0, 1.0], refused={TEXTS[1]: BadTextError("no")})
    embedder = await factory.new_embedder(provider, cache=True)
    slow = asyncio.create_task(embedder.embed_documents(TEXTS[:1]))
    await anyio.sleep(0.5)
    with pytest.raises(BadTextError):
        await embedder.embed_documents(TEXTS[:2])
    assert anyio.current_time() == pytest.approx(1.5)
    await slow


@pytest.mark.virtual_time
async def test_a_rejected_key_ends_all_calls_of_the_embedder_and_none_of_another(factory: EmbedderFactory) -> None:
    rejected = ScriptedProvider([1.0, AuthenticationError("who are you")], spec=PAIRS)
    known = ScriptedProvider(spec=PAIRS)
    embedder = await factory.new_embedder(rejected, cache=True, limits=Limits(max_concurrency=1))
    other = await factory.new_embedder(known, cache=True)
    calls = [embedder.embed_documents(TEXTS), embedder.embed(TEXTS[8:], on_error="return"), other.embed(TEXTS[2:])]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors[:2]] == [AuthenticationError] * 2
    assert errors[0] is not errors[1]
    assert isinstance(errors[2], EmbedResult)
    assert errors[2].ok
    assert sorted(sent(known)) == sorted(TEXTS[2:])


@pytest.mark.virtual_time
async def test_a_batch_rejected_as_a_whole_is_sent_again_for_each_call(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=1.0, refused={TEXTS[0]: BadRequestError("no")})
    embedder = await factory.new_embedder(provider, cache=True)
    leader, follower = await asyncio.gather(
        embedder.embed_documents(TEXTS[:3]), embedder.embed_documents(TEXTS[1:3]), return_exceptions=True
    )
    assert isinstance(leader, BadRequestError)
    np.testing.assert_array_equal(follower, await expected(TEXTS[1:3]))


@pytest.mark.virtual_time
async def test_an_error_that_is_no_failure_of_a_text_is_raised_in_the_leading_call(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([LookupError("a bug"), None, LookupError("another")], latency=1.0)
    embedder = await factory.new_embedder(provider, cache=True)
    outcomes = await asyncio.gather(*(embedder.embed_query("text") for _ in range(3)), return_exceptions=True)
    assert isinstance(outcomes[0], LookupError)
    for vector in outcomes[1:]:
        np.testing.assert_array_equal(vector, (await expected(["text"]))[0])
    assert len(provider.calls) == 2
    with pytest.raises(LookupError, match="another"):
        await embedder.embed_documents(TEXTS)


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", [True, False], ids=["leader", "follower"])
async def test_a_deadline_is_that_of_one_call(factory: EmbedderFactory, first: bool) -> None:
    provider = ScriptedProvider(latency=10.0, spec=PAIRS)
    embedder = await factory.new_embedder(provider, cache=True, limits=Limits(max_concurrency=1))
    deadlines = (15.0, None) if first else (None, 15.0)
    hasty, patient = await asyncio.gather(
        *(embedder.embed(TEXTS[:4], deadline=deadline) for deadline in deadlines), return_exceptions=True
    )
    if not first:
        hasty, patient = patient, hasty
    assert isinstance(hasty, DeadlineError)
    assert hasty.partial is not None
    np.testing.assert_array_equal(hasty.partial.vectors[:2], await expected(TEXTS[:2]))
    assert (list(hasty.partial.failures), hasty.partial.not_attempted) == ([2, 3], ())
    assert not isinstance(patient, BaseException)
    assert patient.ok
    assert sent(provider) == TEXTS[:4]
