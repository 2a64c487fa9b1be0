"""Every public call ends in exactly one ``CallDone``, which says what became of it and where its time went."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadTextError,
    CallDone,
    CallStarted,
    ClosedError,
    Config,
    Embedder,
    EmbedderFactory,
    Event,
    InputError,
    ModelSpec,
    Reply,
    RequestDone,
    RequestFailed,
)
from aembed.testing import LoopbackServer, ScriptedProvider
from tests.engine.call import TEXTS
from tests.scripted import expected
from tests.telemetry.call_log import SHARING, Log, opened

Operate = Callable[[Embedder], Awaitable[Any]]
CALLS: dict[str, tuple[Operate, str, int]] = {
    "embed_query": (lambda embedder: embedder.embed_query(TEXTS[0]), "query", 1),
    "embed_queries": (lambda embedder: embedder.embed_queries(TEXTS[:3]), "query", 3),
    "embed_documents": (lambda embedder: embedder.embed_documents(TEXTS), "document", len(TEXTS)),
    "embed": (lambda embedder: embedder.embed(TEXTS, kind="query"), "query", len(TEXTS)),
    "get_dimension": (lambda embedder: embedder.get_dimension(), "query", 1),
    "check_health": (lambda embedder: embedder.check_health(), "query", 1),
}


def test_every_method_that_sends_texts_is_among_them() -> None:
    methods = {name for name, value in vars(Embedder).items() if inspect.iscoroutinefunction(value) and name[0] != "_"}
    assert methods - {"aclose"} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("sharing", SHARING)
async def test_each_call_has_one(factory: EmbedderFactory, log: Log, name: str, sharing: str) -> None:
    operate, kind, texts = CALLS[name]
    embedder = await opened(factory, log, **SHARING[sharing])
    await operate(embedder)
    done = log.done
    assert (done.operation, done.kind, done.texts, done.outcome) == (name, kind, texts, "ok")
    assert (done.error_class, done.failed, done.attempts, done.requests) == (None, 0, 1, 1)
    assert (done.truncated, done.waited_for, done.waits, done.dimension) == (0, "", {}, embedder.dimension)
    assert (done.embedder, done.provider, done.model) == ("scripted:scripted", "scripted", "scripted")
    assert done.tokens == sum(request.tokens for request in log.of(RequestDone))
    assert log[-1] is done
    assert all(request.calls == (done.call,) for request in log.of(RequestDone))
    if name not in {"get_dimension", "check_health"} and "cache" in SHARING[sharing]:
        assert done.cache_misses == texts


async def test_each_chunk_of_a_stream_is_a_call(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log)
    async with embedder.stream_documents(TEXTS, chunk_size=4) as chunks:
        assert [len(chunk) async for chunk in chunks] == [4, 2]
    assert [done.texts for done in log.of(CallDone)] == [4, 2]
    assert len({done.call for done in log.of(CallDone)}) == 2


WRONG: dict[str, tuple[Operate, int]] = {
    "blank query": (lambda embedder: embedder.embed_query(" "), 1),
    "blank document": (lambda embedder: embedder.embed_documents(["a", ""]), 2),
    "bare string": (lambda embedder: embedder.embed_documents("text"), 1),
    "no string": (lambda embedder: embedder.embed_queries(["a", 3]), 2),  # type: ignore[list-item]
    "unknown kind": (lambda embedder: embedder.embed(["a"], kind="a text"), 1),  # type: ignore[arg-type]
    "unknown on_error": (lambda embedder: embedder.embed(["a"], on_error="ignore"), 1),  # type: ignore[arg-type]
    "negative deadline": (lambda embedder: embedder.embed_query("a", deadline=-1.0), 1),
    "out of another shape": (lambda embedder: embedder.embed_documents(["a"], out=np.empty((2, 2), np.float32)), 1),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_call_with_wrong_input_ends_in_an_error(factory: EmbedderFactory, log: Log, case: str) -> None:
    operate, texts = WRONG[case]
    embedder = await opened(factory, log, "mock")
    with pytest.raises(InputError):
        await operate(embedder)
    assert (log.done.outcome, log.done.error_class, log.done.texts) == ("error", "InputError", texts)
    assert log.done.kind in {"query", "document"}
    assert (log.done.failed, log.done.truncated, log.done.requests, log.done.tokens) == (0, 0, 0, 0)
    assert "text" not in repr(log.done).replace("texts", "")


async def test_a_failed_call_names_its_error(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, ScriptedProvider([AuthenticationError("no")]))
    with pytest.raises(AuthenticationError):
        await embedder.embed_documents(TEXTS)
    assert (log.done.outcome, log.done.error_class, log.done.failed) == ("error", "AuthenticationError", len(TEXTS))


async def test_an_error_that_is_not_aembeds_is_one_too(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, ScriptedProvider([ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        await embedder.embed_query("one")
    assert (log.done.outcome, log.done.error_class) == ("error", "ZeroDivisionError")
    (failed,) = log.of(RequestFailed)
    assert failed.error is None


async def test_failures_that_are_returned_are_partial(factory: EmbedderFactory, log: Log) -> None:
    provider = ScriptedProvider(refused={TEXTS[1]: BadTextError("no")})
    embedder = await opened(factory, log, provider)
    await embedder.embed([*TEXTS[:3], " ", TEXTS[1]], on_error="return")
    done = log.done
    assert (done.outcome, done.error_class, done.texts, done.failed) == ("partial", "BadTextError", 5, 3)


async def test_truncated_texts_are_counted(factory: EmbedderFactory, log: Log) -> None:
    vectors = await expected(TEXTS[:2])
    embedder = await opened(factory, log, ScriptedProvider([Reply(vectors, 4, truncated=[1])]))
    await embedder.embed_documents([TEXTS[0], TEXTS[1], TEXTS[1]])
    assert (log.done.texts, log.done.truncated) == (3, 2)


async def test_documents_that_come_one_by_one_are_not_counted_before_they_are_read(
    factory: EmbedderFactory, log: Log
) -> None:
    embedder = await opened(factory, log, "mock")
    with pytest.raises(InputError):
        await embedder.embed_documents((text for text in TEXTS), deadline=-1.0)
    assert log.done.texts == 0


async def test_a_known_dimension_takes_no_request(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, "mock")
    await embedder.get_dimension()
    done = log.done
    assert (done.texts, done.requests, done.attempts, done.tokens, done.outcome) == (0, 0, 0, 0, "ok")


@pytest.mark.parametrize(("first", "second", "both"), [(3, 4, 7), (None, 4, None), (3, None, None)])
async def test_a_call_that_first_asks_for_the_dimension_is_charged_for_both_requests(
    factory: EmbedderFactory, log: Log, first: int | None, second: int | None, both: int | None
) -> None:
    vectors = await expected(TEXTS[:1])
    script = [Reply(vectors, first), Reply(await expected(TEXTS[:2]), second)]
    embedder = await opened(factory, log, ScriptedProvider(script, spec=ModelSpec(name="new", provider="scripted")))
    await embedder.embed_documents(TEXTS[:2], out=np.empty((2, vectors.shape[1]), np.float32))
    assert (log.done.requests, log.done.tokens, log.done.texts) == (2, both, 2)


@pytest.mark.parametrize("operation", ["embed_query", "check_health"])
async def test_a_call_begins_with_its_own_event(factory: EmbedderFactory, log: Log, operation: str) -> None:
    started: list[CallStarted] = []
    log.call_started = started.append  # type: ignore[attr-defined]
    embedder = await opened(factory, log, cache=operation == "embed_query")
    await CALLS[operation][0](embedder)
    (event,) = started
    assert (event.call, event.operation, event.kind) == (log.done.call, operation, "query")
    assert (event.embedder, event.server, event.port) == ("scripted:scripted", None, None)
    assert event.cached is (operation == "embed_query")


async def test_a_closed_embedder_still_says_so(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log)
    await embedder.aclose()
    with pytest.raises(ClosedError):
        await embedder.embed_query("one")
    assert (log.done.outcome, log.done.error_class) == ("error", "ClosedError")


async def test_cache_results_are_counted_by_call(factory: EmbedderFactory, log: Log) -> None:
    embedder = await opened(factory, log, cache=True)
    await embedder.embed_documents(TEXTS[:4])
    await embedder.embed_documents(TEXTS)
    await embedder.embed_documents(TEXTS)
    hits = [(done.cache_hits, done.cache_misses, done.requests, done.tokens == 0) for done in log.of(CallDone)]
    assert hits == [(0, 4, 1, False), (4, 2, 1, False), (6, 0, 0, True)]


@pytest.mark.virtual_time
async def test_a_request_that_calls_share_names_them_all(factory: EmbedderFactory, log: Log) -> None:
    """Both wait for the same text: the second finds it in flight."""
    embedder = await opened(factory, log, ScriptedProvider([5.0]), cache=True)

    async def late() -> None:
        await anyio.sleep(2.0)
        await embedder.embed_query("one")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embedder.embed_query, "one")
        tasks.start_soon(late)
    (request,) = log.of(RequestDone)
    first, second = sorted(log.of(CallDone), key=lambda done: done.call)
    assert request.calls == (first.call, second.call)
    assert (first.cache_misses, first.cache_shared, first.requests) == (1, 0, 1)
    assert (second.cache_misses, second.cache_shared, second.requests) == (0, 1, 0)
    assert first.sending == pytest.approx(5.0)
    assert second.sending == pytest.approx(3.0)


@pytest.mark.virtual_time
@pytest.mark.parametrize("cache", [False, True])
async def test_a_merged_request_names_the_calls_in_it(factory: EmbedderFactory, log: Log, cache: bool) -> None:
    embedder = await opened(factory, log, ScriptedProvider([1.0, 1.0]), merge=True, cache=cache)
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(embedder.embed_query, f"{number}")
    alone, together = log.of(RequestDone)
    done = {event.call: event for event in log.of(CallDone)}
    assert len(alone.calls) == 1
    assert sorted((*alone.calls, *together.calls)) == sorted(done)
    assert [done[call].merged for call in together.calls] == [True] * 3
    assert not done[alone.calls[0]].merged
    assert sum(event.requests for event in done.values()) == 2


async def test_server_and_port_are_those_of_the_provider(factory: EmbedderFactory, log: Log) -> None:
    async with LoopbackServer() as server:
        embedder = await opened(factory, log, "openai:text-embedding-3-small", base_url=server.base_url, api_key="k")
        await embedder.embed_query("one")
        assert log.done.server == "127.0.0.1"
        assert f":{log.done.port}" in server.base_url
        (request,) = log.of(RequestDone)
        assert (request.server, request.port) == (log.done.server, log.done.port)
        assert request.request_id is not None
        await embedder.aclose()


async def test_cost_is_tokens_by_the_price_of_the_model(factory: EmbedderFactory, log: Log) -> None:
    spec = ModelSpec(name="scripted", provider="scripted", dim=8, price=0.02)
    vectors = await expected(TEXTS[:1])
    embedder = await opened(factory, log, ScriptedProvider([Reply(vectors, 5_000), Reply(vectors)], spec=spec))
    await embedder.embed_query("one")
    await embedder.embed_query("two")
    known, unknown = log.of(CallDone)
    assert (known.tokens, known.cost) == (5_000, pytest.approx(1e-4))
    assert (unknown.tokens, unknown.cost) == (None, None)
    assert factory.statistics().embedders[0].cost == pytest.approx(1e-4)


async def test_the_name_is_that_of_the_profile(log: Log) -> None:
    config = Config.model_validate({"profiles": {"search": {"model": "mock"}}})
    async with EmbedderFactory(config, listeners=[log]) as factory:
        await (await factory.new_embedder("search")).embed_query("one")
    assert (log.done.embedder, log.done.provider, log.done.model) == ("search", "mock", "mock")


def raising(event: Event) -> None:
    raise ValueError("mine")


@pytest.mark.parametrize("sharing", [{}, {"cache": True}, {"merge": True}])
async def test_a_listener_that_raises_leaves_the_others_theirs(log: Log, sharing: dict[str, Any]) -> None:
    async with EmbedderFactory(Config(), listeners=[raising, log]) as factory:
        embedder = await factory.new_embedder("mock", **sharing)
        await asyncio.gather(*(embedder.embed_query(f"{number}") for number in range(5)))
        assert embedder.statistics().listener_failures >= 5
    assert len(log.of(CallDone)) == 5


async def test_listeners_may_come_later(factory: EmbedderFactory, log: Log) -> None:
    embedder = await factory.new_embedder("mock")
    await embedder.embed_query("one")
    factory.add_listener(log)
    await embedder.embed_query("two")
    await (await factory.new_embedder("mock")).embed_query("three")
    assert len(log.of(CallDone)) == 2


async def test_nothing_is_built_without_a_listener(factory: EmbedderFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import aembed._observed

    monkeypatch.delattr(aembed._observed, "CallDone")
    monkeypatch.delattr(aembed._observed, "CallRecord")
    for options in ({}, {"cache": True}, {"merge": True}):
        embedder = await factory.new_embedder("mock", **options)  # type: ignore[arg-type]
        for _ in range(2):
            await embedder.embed_documents(TEXTS)
