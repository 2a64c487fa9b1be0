"""Embedders that open when awaited or entered, with a separate factory or a shared one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aembed
from aembed import ClosedError, Config, ConfigError, EmbedderFactory, Profile
from aembed.testing import ScriptedProvider

SEARCH = Config(model="search", profiles={"search": Profile(model="mock", dimensions=8)})


@pytest.fixture(params=["with a factory", "alone"])
def new_embedder(request: pytest.FixtureRequest, factory: EmbedderFactory) -> Callable[..., Any]:
    return factory.new_embedder if request.param == "with a factory" else aembed.new_embedder


async def test_it_can_be_awaited(new_embedder: Callable[..., Any]) -> None:
    provider = ScriptedProvider()
    embedder = await new_embedder(provider)
    await embedder.embed_query("text")
    assert provider.closed == 0
    await embedder.aclose()
    assert provider.closed == 1


async def test_it_can_be_entered_and_is_closed_at_the_end_of_the_block(new_embedder: Callable[..., Any]) -> None:
    provider = ScriptedProvider()
    async with new_embedder(provider) as embedder:
        await embedder.embed_query("text")
        assert provider.closed == 0
    assert provider.closed == 1
    with pytest.raises(ClosedError):
        await embedder.embed_query("text")


async def test_an_error_in_the_block_closes_it_too(new_embedder: Callable[..., Any]) -> None:
    provider = ScriptedProvider()
    with pytest.raises(ZeroDivisionError):
        async with new_embedder(provider):
            raise ZeroDivisionError
    assert provider.closed == 1


async def test_tasks_and_timeouts_take_it(new_embedder: Callable[..., Any]) -> None:
    first, second = await asyncio.gather(asyncio.create_task(new_embedder("mock")), new_embedder("mock"))
    third = await asyncio.wait_for(new_embedder("mock"), timeout=60)
    for embedder in (first, second, third):
        await embedder.aclose()


async def test_it_opens_once(new_embedder: Callable[..., Any]) -> None:
    opening = new_embedder("mock")
    async with opening:
        with pytest.raises(RuntimeError, match="already awaited"):
            await opening


async def test_one_that_is_forgotten_is_warned_of(new_embedder: Callable[..., Any]) -> None:
    with pytest.warns(RuntimeWarning, match="never awaited"):
        new_embedder("mock")


async def test_one_that_is_closed_unopened_is_not_warned_of(new_embedder: Callable[..., Any]) -> None:
    new_embedder("mock").close()


async def test_alone_it_takes_a_configuration() -> None:
    async with aembed.new_embedder(config=SEARCH) as embedder:
        assert embedder.dimension == 8
    async with aembed.new_embedder("search", config=SEARCH, dimensions=5) as embedder:
        assert embedder.dimension == 5
    with pytest.raises(ConfigError, match="new_embedder"):
        aembed.new_embedder(config="mock")  # type: ignore[arg-type]


async def test_alone_it_closes_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    async def note(store: object) -> None:
        closed.append(type(store).__name__)

    monkeypatch.setattr("aembed.stores.MemoryStore.aclose", note)
    async with aembed.new_embedder("mock", cache=True) as embedder:
        await embedder.embed_query("text")
        assert closed == []
    assert closed == ["MemoryStore"]
    await embedder.aclose()
    assert closed == ["MemoryStore"]


async def test_alone_it_closes_all_when_it_cannot_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    async def note(factory: EmbedderFactory) -> None:
        closed.append(factory)

    monkeypatch.setattr(EmbedderFactory, "aclose", note)
    with pytest.raises(ConfigError, match="nonsense"):
        await aembed.new_embedder("nonsense:m")
    assert len(closed) == 1
    with pytest.raises(ConfigError, match=r"no/v\.db"):
        await aembed.new_embedder("mock", cache="no/v.db")
    assert len(closed) == 2


async def test_alone_it_closes_all_when_it_is_cancelled_as_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    opening, closed = anyio.Event(), anyio.Event()

    async def hang(*_: object) -> None:
        opening.set()
        await anyio.sleep_forever()

    async def note(_: EmbedderFactory) -> None:
        await anyio.lowlevel.checkpoint()
        closed.set()

    monkeypatch.setattr(EmbedderFactory, "_new_embedder", hang)
    monkeypatch.setattr(EmbedderFactory, "aclose", note)
    task = asyncio.create_task(aembed.new_embedder("mock"))
    await opening.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_using_it_before_it_is_open_says_how_to_open_it(new_embedder: Callable[..., Any]) -> None:
    opening = new_embedder("mock")
    with pytest.raises(AttributeError, match=r"cannot use 'embed_query': the embedder is not open. Write 'async with"):
        opening.embed_query("text")
    with pytest.raises(AttributeError, match="has no attribute 'no_such_method'"):
        opening.no_such_method()
    async with opening as embedder:
        assert (await embedder.embed_query("text")).shape == (128,)
