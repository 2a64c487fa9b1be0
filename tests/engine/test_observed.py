"""Events, statistics and usage of a call."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from aembed import (
    BadTextError,
    BatchFailed,
    BatchSplit,
    CallDone,
    Config,
    Embedder,
    EmbedderFactory,
    Event,
    Limits,
    OtherModel,
    OverloadedError,
    Reply,
    RequestDone,
    RequestFailed,
    RetryScheduled,
)
from aembed._events import RequestEvent
from aembed.testing import ScriptedProvider, Step
from tests.engine.call import AT_ONCE, NAN, TEXTS, embed
from tests.scripted import PAIRS, expected


async def watched(provider: ScriptedProvider, texts: Sequence[str]) -> tuple[list[Event], Embedder]:
    events: list[Event] = []
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, on_event=events.append, retry=AT_ONCE)
        await embedder.embed(texts, on_error="return")
    return events, embedder


async def test_events_tell_the_story_in_order() -> None:
    script = [OverloadedError("busy", retry_after=0.0), BadTextError("one of them", index=1)]
    before = time.perf_counter()
    events, embedder = await watched(ScriptedProvider(script), TEXTS[:3])
    assert [type(event) for event in events] == [
        RequestFailed,
        RetryScheduled,
        RequestFailed,
        BatchFailed,
        BatchSplit,
        RequestDone,
        CallDone,
    ]
    assert [event.texts for event in events if isinstance(event, RequestEvent)] == [3, 3, 3, 1, 3, 2]
    request = events[-2]
    assert isinstance(request, RequestDone)
    assert request.attempt == 1
    assert 0 < request.elapsed < time.perf_counter() - before
    statistics = embedder.statistics()
    assert (statistics.texts, statistics.requests, statistics.retries, statistics.failed) == (2, 3, 1, 1)
    assert statistics.tokens == request.tokens


async def test_no_event_and_no_error_holds_a_text() -> None:
    secret = "a-text-nobody-else-may-read"
    script: list[Step] = [NAN, OverloadedError("busy", retry_after=0.0)]
    events, _ = await watched(ScriptedProvider(script, refused={secret: BadTextError("no")}), [secret, TEXTS[0]])
    assert events
    assert secret not in repr(events)


async def test_tokens_are_unknown_if_one_reply_does_not_say() -> None:
    vectors = await expected(TEXTS[:2])
    result = await embed(ScriptedProvider([Reply(vectors), Reply(vectors, 7)], spec=PAIRS), TEXTS[:4])
    assert result.usage.tokens is None
    result = await embed(ScriptedProvider([Reply(vectors, 5), Reply(vectors, 7)], spec=PAIRS), TEXTS[:4])
    assert result.usage.tokens == 12


async def test_texts_that_were_cut_are_named() -> None:
    vectors = await expected(TEXTS[:2])
    provider = ScriptedProvider([Reply(vectors), Reply(vectors, truncated=[1])], spec=PAIRS)
    assert (await embed(provider, TEXTS[:4], limits=Limits(max_concurrency=1))).truncated == (3,)


async def test_each_other_model_is_logged_once_and_ten_of_them(caplog: pytest.LogCaptureFixture) -> None:
    names = [f"other-{number // 2}" for number in range(24)]
    vectors = await expected(TEXTS[:1])
    replies = [Reply(vectors, other_model=name) for name in names]
    events: list[Event] = []
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(replies), on_event=events.append)
        for _ in names:
            await embedder.embed_query(TEXTS[0])
    assert [event.answered for event in events if isinstance(event, OtherModel)] == names
    words = "scripted answered with the model {!r} where 'scripted' was asked for; strict=True makes this an error"
    assert [record.getMessage() for record in caplog.records] == [words.format(f"other-{n}") for n in range(10)]


async def test_a_batch_that_is_sent_again_reports_its_attempts() -> None:
    script = [OverloadedError("busy"), OverloadedError("busy")]
    events, _ = await watched(ScriptedProvider(script), TEXTS[:3])
    attempts = [(type(event), event.attempt) for event in events if isinstance(event, (RetryScheduled, RequestDone))]
    assert attempts == [(RetryScheduled, 1), (RetryScheduled, 2), (RequestDone, 3)]
