"""Calls that share a request: the cost of each, and the effect of a failure on each."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aembed import AuthenticationError, BadRequestError, BadTextError, EmbedderFactory, OverloadedError, Reply
from aembed.testing import ScriptedProvider
from tests.merge.gathering import PATIENT, WIDE, queries
from tests.scripted import ONCE, TEXTS, expected


@pytest.mark.virtual_time
async def test_shared_texts_are_paid_for_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]), tokens=10)], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.usage.requests for result in results] == [1, 1, 0, 0]
    assert sum(result.usage.tokens or 0 for result in results[1:]) == 10
    assert {result.usage.tokens for result in results[1:]} <= {3, 4}


@pytest.mark.virtual_time
async def test_tokens_that_the_provider_does_not_report_are_unknown_to_all_calls(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]))], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.usage.tokens for result in results[1:]] == [None] * 3


@pytest.mark.virtual_time
async def test_a_cut_text_is_that_of_its_caller(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, Reply(await expected(TEXTS[1:4]), truncated=[1])], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    results = await asyncio.gather(*(embedder.embed([text]) for text in TEXTS[:4]))
    assert [result.truncated for result in results] == [(), (), (0,), ()]


@pytest.mark.virtual_time
@pytest.mark.parametrize("error", [BadTextError("no"), BadRequestError("no")], ids=lambda error: type(error).__name__)
async def test_one_bad_text_fails_only_its_caller(factory: EmbedderFactory, error: BadRequestError) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0, refused={TEXTS[5]: error})
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = [TEXTS[:1], TEXTS[1:4], [TEXTS[4], TEXTS[5]], TEXTS[6:7], TEXTS[7:9], [TEXTS[5]]]
    outcomes = await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls), return_exceptions=True)
    for texts, outcome in zip(calls, outcomes, strict=True):
        if TEXTS[5] in texts:
            assert type(outcome) is type(error)
        else:
            assert not isinstance(outcome, BaseException)
            np.testing.assert_array_equal(outcome, await expected(texts))
    assert outcomes[2] is not outcomes[5]
    assert embedder.statistics().merged_calls == 5
    if isinstance(error, BadTextError):
        assert isinstance(outcomes[2], BadTextError)
        assert outcomes[2].index == 1
        assert outcomes[2].partial is not None
        np.testing.assert_array_equal(outcomes[2].partial.vectors[0], (await expected([TEXTS[4]]))[0])


@pytest.mark.virtual_time
async def test_a_failed_request_fails_all_of_it_each_in_its_own_way(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, *[OverloadedError("busy")] * 3], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT, retry=ONCE)
    first, one, two, three = await asyncio.gather(
        embedder.embed(TEXTS[:1]),
        embedder.embed_documents(TEXTS[1:2]),
        embedder.embed(TEXTS[2:4], on_error="return"),
        embedder.embed_documents(TEXTS[4:5]),
        return_exceptions=True,
    )
    assert not isinstance(first, BaseException)
    assert isinstance(one, OverloadedError)
    assert isinstance(three, OverloadedError)
    assert one is not three
    assert not isinstance(two, BaseException)
    assert list(two.failures) == [0, 1]


@pytest.mark.virtual_time
async def test_a_rejected_key_ends_all_merged_calls(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([None, AuthenticationError("who are you")], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    outcomes = await asyncio.gather(*await queries(embedder, TEXTS[:4]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[1:]] == [AuthenticationError] * 3
    assert len({id(outcome) for outcome in outcomes}) == 4


@pytest.mark.virtual_time
async def test_an_error_that_is_no_failure_of_a_text_is_raised_in_its_call(
    factory: EmbedderFactory,
) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0, refused={TEXTS[2]: LookupError("a bug")})
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    outcomes = await asyncio.gather(*await queries(embedder, TEXTS[:4]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [np.ndarray, np.ndarray, LookupError, np.ndarray]
    assert embedder.statistics().merged_calls == 3
