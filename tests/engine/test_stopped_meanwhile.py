"""A call that has stopped sends no batch that still waits: for admission, or for its next attempt."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from aembed import (
    AuthenticationError,
    BadRequestError,
    Config,
    EmbedderFactory,
    Event,
    Limits,
    ModelSpec,
    OverloadedError,
    ProviderError,
    RequestFailed,
    RetryPolicy,
)
from aembed.testing import ScriptedProvider
from tests.scripted import PAIRS, TEXTS

pytestmark = pytest.mark.virtual_time
LAYERS = pytest.mark.parametrize(
    "options", [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}], ids=str
)
FIRST_IN_FLIGHT = 2
"""Requests that an account begins with, before anything is known of it."""


def wrong_setting() -> ProviderError:
    error = BadRequestError("task: Input should be 'retrieval.query'")
    error.fatal = True
    return error


@LAYERS
@pytest.mark.parametrize(
    "error", [wrong_setting(), AuthenticationError("no such key"), BadRequestError("no")], ids=repr
)
async def test_what_is_in_flight_when_the_first_error_comes_is_all_that_is_sent(
    options: Any, error: ProviderError
) -> None:
    events: list[Event] = []
    provider = ScriptedProvider([error] * 99, latency=1.0, spec=PAIRS)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, on_event=events.append, **options)
        with pytest.raises(type(error)) as caught:
            await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == 1.0
        await anyio.wait_all_tasks_blocked()
        statistics = embedder.statistics()
    assert (
        len(provider.calls) == FIRST_IN_FLIGHT == len([event for event in events if isinstance(event, RequestFailed)])
    )
    assert (statistics.in_flight, statistics.waiting) == (0, 0)
    partial = caught.value.partial
    assert partial is not None
    assert len(partial.failures) + len(partial.not_attempted) == len(TEXTS)


async def test_places_that_are_given_back_cost_no_quota() -> None:
    refused = {"text 0": AuthenticationError("no such key")}
    provider = ScriptedProvider(latency=1.0, spec=PAIRS, refused=refused)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(requests_per_minute=7, max_concurrency=1))
        with pytest.raises(AuthenticationError):
            await embedder.embed_documents(TEXTS)
        await embedder.embed_documents(TEXTS[2:])  # five requests
        assert anyio.current_time() < 10.0


@LAYERS
async def test_a_batch_that_sleeps_before_its_next_attempt_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)  # the longest delay
    busy = OverloadedError("busy", status=503)
    spec = ModelSpec(name="m", provider="scripted", dim=8, max_batch_texts=2)
    provider = ScriptedProvider([busy, 3.0], spec=spec, refused={"text 2": BadRequestError("no")})
    retry = RetryPolicy(initial_delay=100.0, max_delay=100.0, max_attempts=2)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, retry=retry, **options)
        with pytest.raises(BadRequestError):
            await embedder.embed_documents(TEXTS[:4])
    assert len([call for call in provider.calls if "text 0" in call.texts]) == 1
