"""The times of a call add up: waiting at the gate, attempts, backoff."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import (
    CallDone,
    ClosedError,
    Config,
    DeadlineError,
    EmbedderFactory,
    Limits,
    OverloadedError,
    RateLimitError,
    RequestDone,
    RequestFailed,
    RetryPolicy,
    RetryScheduled,
)
from aembed.testing import ScriptedProvider
from tests.engine.call import TEXTS
from tests.scripted import PAIRS
from tests.telemetry.call_log import SHARING, Log, opened


@pytest.mark.virtual_time
@pytest.mark.parametrize("sharing", SHARING)
async def test_a_cancelled_call_has_one(factory: EmbedderFactory, log: Log, sharing: str) -> None:
    embedder = await opened(factory, log, ScriptedProvider([3600.0]), **SHARING[sharing])
    with anyio.move_on_after(5.0):
        await embedder.embed_query("one")
    done = log.done
    assert (done.outcome, done.error_class, done.elapsed, done.sending) == ("cancelled", "CancelledError", 5.0, 5.0)
    (failed,) = log.of(RequestFailed)
    assert (failed.elapsed, failed.error) == (5.0, None)


@pytest.mark.virtual_time
async def test_a_call_cut_off_by_closing_is_an_error(log: Log) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await opened(factory, log, ScriptedProvider([3600.0]))
        task = asyncio.ensure_future(embedder.embed_query("one"))
        await anyio.sleep(1.0)
        await factory.aclose(grace=2.0)
        with pytest.raises(ClosedError):
            await task
    assert (log.done.outcome, log.done.error_class, log.done.elapsed) == ("error", "ClosedError", 3.0)


@pytest.mark.virtual_time
async def test_a_deadline_differs_from_other_errors(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, ScriptedProvider([3600.0, 3600.0]))
    with pytest.raises(DeadlineError):
        await embedder.embed_query("one", deadline=2.0)
    assert not (await embedder.embed(["two"], on_error="return", deadline=2.0)).ok
    for done in log.of(CallDone):
        assert (done.outcome, done.error_class, done.elapsed, done.failed) == ("deadline", "DeadlineError", 2.0, 1)


@pytest.mark.virtual_time
async def test_a_deadline_before_anything_was_sent_is_one_too(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, limits=Limits(requests_per_minute=1))
    await embedder.embed_query("one")
    result = await embedder.embed(["two", "three"], on_error="return", deadline=2.0)
    assert (result.failures, result.not_attempted) == ({}, (0, 1))
    _, done = log.of(CallDone)
    assert (done.outcome, done.error_class, done.failed, done.requests) == ("deadline", "DeadlineError", 2, 0)
    assert done.waits == {"requests": pytest.approx(2.0, abs=1e-6)}


@pytest.mark.virtual_time
async def test_gate_attempts_and_backoff_add_up_to_the_duration(factory: EmbedderFactory, log: Log) -> None:
    """Two requests a minute: the second call waits for the quota; its request fails twice before it succeeds."""
    script = [None, OverloadedError("busy"), OverloadedError("busy")]
    provider = ScriptedProvider(script, latency=2.0)
    retry = RetryPolicy(initial_delay=4.0, max_delay=4.0)
    embedder = await opened(factory, log, provider, retry=retry, limits=Limits(requests_per_minute=2))
    await embedder.embed_documents(["one"])
    await embedder.embed_documents(["two"])
    _, done = log.of(CallDone)
    assert (done.attempts, done.requests) == (3, 3)
    assert done.waited_for == "requests"
    assert set(done.waits) == {"requests"}
    assert done.waits["requests"] == pytest.approx(done.waited)
    assert done.sending == pytest.approx(3 * 2.0)
    assert done.backoff == pytest.approx(sum(retry.delay for retry in log.of(RetryScheduled)))
    assert done.waited > 50.0
    assert done.waited + done.sending + done.backoff == pytest.approx(done.elapsed, abs=1e-6)
    requests = [event for event in [*log.of(RequestFailed), *log.of(RequestDone)] if event.calls == (done.call,)]
    assert [(type(event), event.attempt) for event in requests] == [
        (RequestFailed, 1),
        (RequestFailed, 2),
        (RequestDone, 3),
    ]
    assert sum(event.elapsed for event in requests) == pytest.approx(done.sending)
    assert sum(event.waited for event in requests) == pytest.approx(done.waited)


@pytest.mark.virtual_time
async def test_a_call_in_many_requests_waits_while_one_of_them_does(factory: EmbedderFactory, log: Log) -> None:
    provider = ScriptedProvider([0.5] * 3, spec=PAIRS)
    embedder = await opened(factory, log, provider)
    await embedder.embed_documents(TEXTS)  # a new account is sent two requests at first: the third waits
    done = log.done
    assert done.requests == 3
    assert done.elapsed == pytest.approx(1.0, abs=1e-6)
    assert done.waited == pytest.approx(0.5, abs=1e-6)
    assert done.sending == pytest.approx(0.5, abs=1e-6)
    assert done.waited_for == "slots"


@pytest.mark.virtual_time
async def test_a_call_waits_for_a_pause_after_a_429(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, ScriptedProvider([RateLimitError("slow", retry_after=7.0)]))
    await embedder.embed_query("one")
    assert log.done.waited_for == "pause"
    assert log.done.waited == pytest.approx(7.0, abs=0.1)
    assert log.done.attempts == 2
