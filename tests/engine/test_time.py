"""The timeout of one attempt, and the deadline of a whole call."""

from __future__ import annotations

from typing import Any

import anyio
import numpy as np
import pytest

from aembed import (
    Config,
    DeadlineError,
    EmbedderFactory,
    Limits,
    ModelSpec,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
)
from aembed.testing import ScriptedProvider
from tests.engine.call import TEXTS, embed
from tests.scripted import PAIRS


@pytest.mark.virtual_time
async def test_no_answer_in_time_is_an_error_and_retried() -> None:
    provider = ScriptedProvider([100.0, None])
    result = await embed(provider, TEXTS, timeout=2.0, retry=RetryPolicy(initial_delay=1.0))
    assert result.ok
    assert provider.calls[0].ended == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_the_timeout_names_itself() -> None:
    result = await embed(ScriptedProvider(latency=100.0), TEXTS, timeout=2.0, retry=RetryPolicy(max_attempts=1))
    (error,) = set(result.failures.values())
    assert isinstance(error, RequestTimeoutError)
    assert isinstance(error, TimeoutError)
    assert "timeout of 2.0 s" in str(error)


@pytest.mark.virtual_time
async def test_waiting_in_our_own_queue_is_not_the_provider_being_slow() -> None:
    provider = ScriptedProvider(latency=1.5, spec=PAIRS)
    result = await embed(provider, TEXTS, timeout=2.0, limits=Limits(max_concurrency=1))
    assert result.ok
    assert len(provider.calls) == 3


@pytest.mark.virtual_time
@pytest.mark.parametrize(("option", "answers"), [({}, False), ({"timeout": None}, True), ({"timeout": 60.0}, True)])
async def test_the_providers_own_timeout_stands_unless_another_is_given(option: Any, answers: bool) -> None:
    spec = ModelSpec(name="slow", dim=8, timeout=10.0)
    provider = ScriptedProvider(latency=50.0, spec=spec)
    result = await embed(provider, TEXTS, retry=RetryPolicy(max_attempts=1), **option)
    assert result.ok is answers


@pytest.mark.virtual_time
async def test_a_deadline_keeps_what_was_finished() -> None:
    provider = ScriptedProvider([1.0, 100.0], spec=PAIRS)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1))
        with pytest.raises(DeadlineError, match=r"deadline of 5\.0 s") as caught:
            await embedder.embed(TEXTS, deadline=5.0)
        assert anyio.current_time() == pytest.approx(5.0)
    partial = caught.value.partial
    assert partial is not None
    assert not np.isnan(partial.vectors[:2]).any()
    assert list(partial.failures) == [2, 3]
    assert partial.not_attempted == (4, 5)


@pytest.mark.virtual_time
async def test_a_deadline_covers_waiting_and_retries() -> None:
    provider = ScriptedProvider([RateLimitError("later", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, deadline=30.0)
        with pytest.raises(DeadlineError):
            await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == pytest.approx(30.0)


@pytest.mark.virtual_time
async def test_a_deadline_returns_what_it_must_not_raise() -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=10.0))
        result = await embedder.embed(TEXTS, on_error="return", deadline=1.0)
    assert {type(error) for error in result.failures.values()} == {DeadlineError}
