"""Events of a gate: pauses, the circuit breaker, limits; each listener hears them once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from aembed import (
    CircuitClosed,
    CircuitOpened,
    Config,
    EmbedderFactory,
    Event,
    GatePaused,
    GateResumed,
    LimitChanged,
    Limits,
    OverloadedError,
    QuotaHints,
    RateLimitError,
    Reply,
    RetryPolicy,
)
from aembed._events import GateEvent
from aembed.testing import LoopbackServer, ScriptedProvider
from tests.scripted import TEXTS, expected

pytestmark = pytest.mark.virtual_time

PATIENT = RetryPolicy(initial_delay=0.1, max_delay=0.1, max_attempts=20)


async def events_of(provider: ScriptedProvider, calls: int = 2, **options: Any) -> list[GateEvent]:
    events: list[Event] = []
    async with EmbedderFactory(Config(), listeners=[events.append]) as factory:
        embedder = await factory.new_embedder(provider, **{"retry": PATIENT, **options})
        for _ in range(calls):
            await embedder.embed_documents(TEXTS[:1])
    return [event for event in events if isinstance(event, GateEvent)]


async def test_a_pause_begins_with_a_429_and_ends_when_its_time_is_over() -> None:
    events = await events_of(ScriptedProvider([None, RateLimitError("slow", retry_after=7.0)]))
    pauses = [event for event in events if isinstance(event, (GatePaused, GateResumed))]
    assert [type(event) for event in pauses] == [GatePaused, GateResumed]
    assert isinstance(pauses[0], GatePaused)
    assert pauses[0].seconds == pytest.approx(7.0, abs=0.01)
    assert (pauses[0].provider, pauses[0].model) == ("scripted", None)
    assert len(pauses[0].account) == 8


async def test_the_circuit_opens_after_a_row_of_failures_and_closes_with_a_success() -> None:
    failures = [OverloadedError("down") for _ in range(12)]
    events = await events_of(ScriptedProvider(failures))
    circuit = [type(event) for event in events if isinstance(event, (CircuitOpened, CircuitClosed))]
    assert circuit == [CircuitOpened, CircuitClosed]


async def test_a_limit_is_learnt_from_headers_and_may_change() -> None:
    vectors = await expected(TEXTS[:1])

    def reply(limit: float) -> Reply:
        quota = QuotaHints(limit_requests=limit, remaining_requests=limit - 1, reset_requests=1.0)
        return Reply(vectors.copy(), 1, quota=quota)

    events = await events_of(ScriptedProvider([reply(500.0), reply(500.0), reply(900.0)]), calls=3)
    limits = [(event.resource, event.before, event.limit) for event in events if isinstance(event, LimitChanged)]
    assert limits == [("requests", None, 500.0), ("requests", 500.0, 900.0)]


async def test_limits_that_the_user_states_are_no_news() -> None:
    assert await events_of(ScriptedProvider(), limits=Limits(requests_per_minute=60)) == []


async def test_a_listener_of_two_embedders_hears_the_gate_they_share_once() -> None:
    events: list[Event] = []
    own: list[Event] = []
    provider = ScriptedProvider([RateLimitError("slow", retry_after=2.0)])
    async with EmbedderFactory(Config(), listeners=[events.append]) as factory:
        first = await factory.new_embedder(provider, retry=PATIENT)
        await factory.new_embedder(provider, on_event=own.append)
        await first.embed_documents(TEXTS[:1])
        paused = [event for event in events if isinstance(event, GatePaused)]
        assert len(paused) == 1
        assert [event for event in own if isinstance(event, GatePaused)] == paused


async def test_a_closed_embedder_hears_no_more() -> None:
    own: list[Event] = []
    provider = ScriptedProvider([None, RateLimitError("slow", retry_after=2.0)])
    async with EmbedderFactory(Config()) as factory:
        first = await factory.new_embedder(provider, retry=PATIENT)
        gate = first._engine.gate
        async with await factory.new_embedder(provider, on_event=own.append) as second:
            await second.embed_documents(TEXTS[:1])
            watched = [gate.watch]
        watched.append(gate.watch)
        assert [watch is not None for watch in watched] == [True, False]
        await first.embed_documents(TEXTS[:1])
    assert not any(isinstance(event, GateEvent) for event in own)


@pytest.mark.parametrize("waiting_for", ["requests", "slots"])
async def test_waits_are_added_up_by_resource(waiting_for: str) -> None:
    limits = Limits(requests_per_minute=2) if waiting_for == "requests" else Limits(max_concurrency=1)
    async with EmbedderFactory(Config(), listeners=[lambda event: None]) as factory:
        embedder = await factory.new_embedder(ScriptedProvider(latency=1.0), limits=limits)
        async with anyio.create_task_group() as tasks:
            for text in TEXTS[:3]:
                tasks.start_soon(embedder.embed_documents, [text])
        watch = embedder._engine.gate.watch
        assert watch is not None
        assert watch.seconds()[waiting_for] == pytest.approx(sum(watch.seconds().values()), abs=2.1)


@pytest.mark.parametrize("key", ["sk-a-secret-key-of-thirty-characters"])
async def test_the_account_reveals_no_key(key: str) -> None:
    async with LoopbackServer() as server, EmbedderFactory(Config()) as factory:
        await factory.new_embedder("openai:text-embedding-3-small", base_url=server.base_url, api_key=key)
        (account,) = factory.statistics().accounts
    assert len(account.account) == 8
    assert key not in repr(account)
