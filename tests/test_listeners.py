"""A listener sees every event, and can break no call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from aembed import (
    CallDone,
    Config,
    ConfigError,
    Embedder,
    EmbedderFactory,
    Event,
    OverloadedError,
    RequestDone,
    StoreFailed,
)
from aembed._engine import listeners
from aembed.testing import ScriptedProvider
from tests.engine.call import AT_ONCE, TEXTS
from tests.memo.shelf import Shelf
from tests.scripted import PAIRS, expected


def raising(error: BaseException) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        raise error

    return listener


async def query(embedder: Embedder) -> None:
    await embedder.embed_query(TEXTS[0])


async def documents(embedder: Embedder) -> None:
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))


async def returned(embedder: Embedder) -> None:
    assert (await embedder.embed(TEXTS, on_error="return")).ok


async def stream(embedder: Embedder) -> None:
    assert [len(chunk) async for chunk in embedder.stream_documents(TEXTS, chunk_size=2)] == [2, 2, 2]


@pytest.mark.parametrize("error", [ValueError("mine"), OverloadedError("mine"), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("sharing", ["nothing", "cache", "merge", "broken cache"])
@pytest.mark.parametrize("operation", [query, documents, returned, stream], ids=lambda one: one.__name__)
async def test_fault_86_a_listener_that_raises_breaks_no_call(
    operation: Callable[[Embedder], Any], sharing: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    options: Any = {"cache": Shelf(broken={"get", "put"})} if sharing == "broken cache" else {sharing: True}
    if sharing == "nothing":
        options = {}
    async with EmbedderFactory(Config()) as factory:
        provider = ScriptedProvider([OverloadedError("busy", retry_after=0.0)], spec=PAIRS)
        embedder = await factory.new_embedder(provider, on_event=raising(error), retry=AT_ONCE, **options)
        await operation(embedder)
    failures = embedder.statistics().listener_failures
    assert failures >= 2
    (record,) = [record for record in caplog.records if record.name == "aembed" and record.exc_info]
    assert "raising.<locals>.listener" in record.message
    assert record.exc_info is not None
    assert record.exc_info[1] is error


async def test_exceptions_that_end_the_program_pass(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider(), on_event=raising(SystemExit(3)))
    with pytest.raises(SystemExit):
        embedder._engine.recorder.listeners.emit(
            RequestDone(model="", kind="query", texts=1, tokens=0, truncated=0, attempt=1, elapsed=0)
        )  # type: ignore[misc]


async def test_other_listeners_get_their_events_all_the_same() -> None:
    events: list[Event] = []
    own: list[Event] = []
    both = [raising(ValueError()), events.append]
    async with EmbedderFactory(Config(), listeners=both) as factory:
        for options in ({}, {"on_event": own.append}):
            await (await factory.new_embedder("mock", **options)).embed_query("text")  # type: ignore[arg-type]
    assert [type(event) for event in events] == [RequestDone, CallDone] * 2
    assert own == events[2:]


async def test_events_of_the_cache_go_the_same_way() -> None:
    events: list[Event] = []
    async with EmbedderFactory(Config(), listeners=[events.append]) as factory:
        await (await factory.new_embedder("mock", cache=Shelf(broken={"get", "put"}))).embed_query("text")
    assert {type(event) for event in events} == {CallDone, RequestDone, StoreFailed}


class Async:
    async def __call__(self, event: Event) -> None: ...

    async def method(self, event: Event) -> None: ...


async def function(event: Event, more: int = 0) -> None: ...


@pytest.mark.parametrize(
    "listener",
    [function, partial(function, more=1), Async(), Async().method],
    ids=["function", "partial", "object", "method"],
)
async def test_fault_86_an_async_listener_is_a_wrong_setting(factory: EmbedderFactory, listener: Any) -> None:
    with pytest.raises(ConfigError, match=r"on_event is an async function, .*; give a plain one"):
        await factory.new_embedder("mock", on_event=listener)
    with pytest.raises(ConfigError, match="async function"):
        EmbedderFactory(Config(), listeners=[listener])


async def test_a_listener_that_only_returns_a_coroutine_is_reported(
    factory: EmbedderFactory, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = await factory.new_embedder("mock", on_event=lambda event: function(event, 1))  # type: ignore[arg-type]
    await embedder.embed_query("text")
    assert embedder.statistics().listener_failures == 2
    assert "returned a coroutine; give a plain function" in caplog.text


async def test_a_listener_that_is_no_function_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="on_event is a str; give a function"):
        EmbedderFactory(Config(), listeners=["print"])  # type: ignore[list-item]


async def test_a_slow_listener_is_named_once(
    factory: EmbedderFactory, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "SLOW_LISTENER_S", -1.0)
    events: list[Event] = []
    embedder = await factory.new_embedder("mock", on_event=events.append)
    for _ in range(3):
        await embedder.embed_query("text")
    (record,) = [record for record in caplog.records if record.name == "aembed"]
    assert "list.append: it took 0.0 s for one event while every call waited" in record.message
    assert embedder.statistics().listener_failures == 0
