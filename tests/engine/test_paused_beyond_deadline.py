"""An account that pauses beyond the deadline of a call ends it at once, through every layer; other calls wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import (
    Config,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    ModelSpec,
    OverloadedError,
    RateLimitError,
    RequestTimeoutError,
)
from aembed.testing import ScriptedProvider
from tests.scripted import ONCE, TEXTS

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.parametrize("options", [{}, {"cache": True}, {"merge": True}, {"cache": True, "merge": True}], ids=str),
]
LATER = RateLimitError("later", status=429, retry_after=40.0)
ONE = ModelSpec(name="one", provider="scripted", dim=8, max_batch_texts=100, max_concurrency=1)


async def paused(factory: EmbedderFactory, options: Any) -> Embedder:
    """An embedder whose account opens at 40 s. It is 1 s."""
    embedder = await factory.new_embedder(ScriptedProvider([LATER]), **options)
    with pytest.raises(DeadlineError):
        await embedder.embed_query("the first", deadline=5.0)
    assert anyio.current_time() == 0.0
    await anyio.sleep(1.0)
    return embedder


async def ends(call: Awaitable[Any]) -> tuple[float, BaseException | None]:
    try:
        await call
    except DeadlineError as error:
        return anyio.current_time(), error
    return anyio.current_time(), None


async def together(calls: Sequence[Awaitable[Any]]) -> list[tuple[float, BaseException | None]]:
    """Ends of calls that begin one after the other."""
    tasks = []
    for call in calls:
        tasks.append(asyncio.ensure_future(ends(call)))
        for _ in range(30):
            await anyio.lowlevel.checkpoint()  # no time passes
    return [await task for task in tasks]


@pytest.mark.parametrize("deadlines", [(60.0, 5.0), (5.0, 60.0), (60.0, 30.0, 90.0, 5.0)], ids=str)
@pytest.mark.parametrize("same_text", [True, False])
@pytest.mark.parametrize("kind", ["query", "document"])
async def test_calls_with_too_little_time_end_at_once_beside_those_with_enough(
    options: Any, deadlines: Sequence[float], same_text: bool, kind: str
) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await paused(factory, options)
        embed = embedder.embed_queries if kind == "query" else embedder.embed_documents
        texts = ["the text" if same_text else f"text {number}" for number in range(len(deadlines))]
        calls = [embed([text], deadline=deadline) for text, deadline in zip(texts, deadlines, strict=True)]
        for deadline, (at, error) in zip(deadlines, await together(calls), strict=True):
            assert (error is None) is (deadline > 39.0)
            assert at == pytest.approx(40.0 if error is None else 1.0)
            if isinstance(error, DeadlineError):
                assert str(error).startswith(
                    f"the call cannot finish within its deadline of {deadline} s: the provider has answered nothing "
                    "but errors for 1 s, the last a RateLimitError with status 429; retry later, or raise deadline"
                )
                assert error.retry_after == pytest.approx(39.0)


async def test_a_pause_that_begins_ends_the_calls_that_wait_and_leaves_those_in_flight(options: Any) -> None:
    """Queries have one slot more than documents."""
    provider = ScriptedProvider([3.0, OverloadedError("later", status=503, retry_after=40.0)], latency=1.0, spec=ONE)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **options)
        calls = [embedder.embed_query(text, deadline=30.0) for text in ("a", "b", "c", "b")]
        (first, no_error), *others = await together(calls)
    assert (first, no_error) == (3.0, None)
    assert {type(error) for _, error in others} == {DeadlineError}
    assert [at for at, _ in others] == pytest.approx([1.0] * 3, abs=0.1)
    assert len(provider.calls) == 2


async def test_the_attempt_of_a_call_that_has_left_is_counted_as_failed(options: Any) -> None:
    provider = ScriptedProvider([LATER])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **options)
        result = await embedder.embed(TEXTS, on_error="return", deadline=5.0)
        assert anyio.current_time() == 0.0
    assert {type(error) for error in result.failures.values()} == {DeadlineError}
    assert (len(result.failures), result.not_attempted) == (len(TEXTS), ())
    assert result.usage.requests == 1


async def test_a_cached_text_needs_no_request(options: Any) -> None:
    provider = ScriptedProvider([None, LATER])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **options)
        await embedder.embed_query("a text")
        await ends(embedder.embed_query("another", deadline=5.0))
        _, error = await ends(embedder.embed_query("a text", deadline=5.0))
        assert (error is None) is ("cache" in options)


async def test_the_request_of_others_has_its_timeout_when_a_call_with_less_time_leaves(options: Any) -> None:
    provider = ScriptedProvider(latency=1000.0, spec=ONE)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, timeout=20.0, retry=ONCE, **options)
        hurried = asyncio.ensure_future(ends(embedder.embed_query("a text", deadline=10.0)))
        with pytest.raises(RequestTimeoutError):
            await embedder.embed_query("a text", deadline=500.0)
        assert anyio.current_time() == pytest.approx(20.0)
        assert (await hurried)[0] == 10.0


async def test_a_provider_that_raises_a_deadline_error_of_its_own_has_failed(options: Any) -> None:
    """It may hold an embedder with a deadline."""
    provider = ScriptedProvider([DeadlineError("the inner embedder was late")])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **options)
        with pytest.raises(DeadlineError, match="the inner embedder was late"):
            await embedder.embed_documents(["a text"])
