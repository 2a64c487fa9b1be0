"""The timeout of one attempt, and the deadline of a whole call."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import (
    Config,
    ConnectError,
    DeadlineError,
    DeadlineExceeded,
    EmbedderFactory,
    Event,
    Limits,
    ModelSpec,
    OverloadedError,
    ProviderError,
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
async def test_the_providers_timeout_applies_unless_another_is_given(option: Any, answers: bool) -> None:
    spec = ModelSpec(name="slow", dim=8, timeout=10.0)
    provider = ScriptedProvider(latency=50.0, spec=spec)
    result = await embed(provider, TEXTS, retry=RetryPolicy(max_attempts=1), **option)
    assert result.ok is answers


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("deadline", "timeout", "timers", "error"),
    [(5.0, 10.0, 1, DeadlineError), (5.0, 5.0, 1, DeadlineError), (10.0, 5.0, 2, RequestTimeoutError)],
)
async def test_a_timeout_that_the_deadline_precedes_has_no_timer(
    deadline: float, timeout: float, timers: int, error: type[Exception]
) -> None:
    loop = asyncio.get_running_loop()
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(
            ScriptedProvider(latency=100.0), timeout=timeout, retry=RetryPolicy(max_attempts=1)
        )
        call = asyncio.create_task(embedder.embed_query("a text", deadline=deadline))
        await anyio.sleep(1.0)
        pending = [timer.when() for timer in getattr(loop, "_scheduled") if not timer.cancelled()]  # noqa: B009
        assert sorted(pending)[:-1] == sorted({deadline, timeout})[:timers]  # the last is the server's
        with pytest.raises(error):
            await call
        assert anyio.current_time() == pytest.approx(min(deadline, timeout))


@pytest.mark.virtual_time
async def test_after_a_deadline_finished_rows_are_in_the_partial_result() -> None:
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
    assert "2 of 6 texts still waited to be sent; raise deadline or send fewer texts" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.virtual_time
async def test_a_deadline_before_the_end_of_a_pause_ends_the_call_at_once() -> None:
    provider = ScriptedProvider([RateLimitError("later", retry_after=60.0)])
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, deadline=30.0)
        with pytest.raises(DeadlineError):
            await embedder.embed_documents(TEXTS)
        assert anyio.current_time() == pytest.approx(0.0)


@pytest.mark.virtual_time
async def test_a_deadline_is_returned_where_errors_are() -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=10.0))
        result = await embedder.embed(TEXTS, on_error="return", deadline=1.0)
    assert {type(error) for error in result.failures.values()} == {DeadlineError}


@pytest.mark.virtual_time
@pytest.mark.parametrize("options", [{}, {"cache": True}, {"merge": True}], ids=str)
async def test_fault_114_texts_that_only_waited_were_not_attempted(options: Any) -> None:
    """In our own queue, behind another call."""
    provider = ScriptedProvider(latency=100.0)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1), timeout=None, **options)
        first = asyncio.create_task(embedder.embed_documents(["first"]))
        await anyio.sleep(1.0)
        result = await embedder.embed(TEXTS, on_error="return", deadline=5.0)
        assert (dict(result.failures), result.not_attempted) == ({}, tuple(range(6)))
        assert not result.ok
        await first
    assert len(provider.calls) == 1


FAILURES = [
    OverloadedError("no worker is free", status=503),
    RateLimitError("too fast", status=429),
    RateLimitError("too fast", status=429, retry_after=60.0),
    ConnectError("connection refused"),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("failure", FAILURES, ids=str)
@pytest.mark.parametrize("options", [{}, {"cache": True}, {"merge": True}], ids=str)
@pytest.mark.parametrize("own", [True, False])
async def test_fault_87_a_deadline_names_the_last_failure(failure: ProviderError, options: Any, own: bool) -> None:
    """The deadline of the call, or that of the embedder's options; through every layer."""
    events: list[Event] = []
    provider = ScriptedProvider([failure] * 99)
    async with EmbedderFactory(Config()) as factory:
        if not own:
            options = {**options, "deadline": 5.0}
        patient = RetryPolicy(max_attempts=99)
        embedder = await factory.new_embedder(provider, on_event=events.append, retry=patient, **options)
        with pytest.raises(DeadlineError) as caught:
            await embedder.embed_documents(TEXTS, deadline=5.0 if own else None)
        ended = anyio.current_time()
    if failure.retry_after:
        assert ended == 0.0  # at once: the next request could only be sent after the deadline
    else:
        assert 0.0 < ended <= 5.0
    error, cause = caught.value, caught.value.__cause__
    assert type(cause) is type(failure)
    assert f"with {type(failure).__name__}: {failure.args[0]}" in str(error)
    assert "fewer texts" not in str(error)
    assert error.partial is not None
    assert error.partial.not_attempted == ()
    (event,) = [event for event in events if isinstance(event, DeadlineExceeded)]
    assert (event.texts, event.failed, event.not_attempted, event.deadline) == (6, 6, 0, 5.0)
    assert event.error is error
    statistics = embedder.statistics()
    assert (statistics.deadlines, statistics.failed) == (1, 6)


@pytest.mark.virtual_time
async def test_queries_have_a_deadline_and_documents_none() -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=45.0), timeout=None)
        for call in (embedder.embed_query("q"), embedder.embed_queries(["q"]), embedder.embed(["q"], kind="query")):
            started = anyio.current_time()
            with pytest.raises(DeadlineError, match=r"deadline of 30\.0 s"):
                await call
            assert anyio.current_time() - started == pytest.approx(30.0)
        await embedder.embed_documents(["d"])
        await embedder.embed_query("q", deadline=60.0)
        with pytest.raises(DeadlineError, match=r"deadline of 3\.0 s"):
            await embedder.embed_documents(["d"], deadline=3)
        for deadline, answers in ((None, True), (60.0, True), (40.0, False)):
            embedder = await factory.new_embedder(ScriptedProvider(latency=45.0), timeout=None, deadline=deadline)
            result = await embedder.embed(["q"], kind="query", on_error="return")
            assert result.ok is answers


@pytest.mark.virtual_time
async def test_many_batches_end_with_the_deadline_of_the_options() -> None:
    """In one task each."""
    provider = ScriptedProvider(latency=100.0, spec=PAIRS)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, deadline=5.0)
        result = await embedder.embed(TEXTS, on_error="return")
        assert provider.in_flight == 0
    assert {type(error) for error in result.failures.values()} == {DeadlineError}
    assert anyio.current_time() == pytest.approx(5.0)


@pytest.mark.parametrize(
    "deadline", [np.float32(5), np.int64(5), np.float64(5)], ids=lambda value: type(value).__name__
)
async def test_a_deadline_may_be_a_number_of_numpy(deadline: Any) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock", deadline=deadline, timeout=deadline)
        await embedder.embed_query("q", deadline=deadline)
        await embedder.embed(["d"], deadline=deadline)
