"""The embedders behind every adapter: opened once for each loop and for threads, and closed with it."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from typing import Any

import anyio
import numpy as np
import pytest

import aembed
from aembed import ClosedError, ConfigError, Embedder, EventLoopError, SyncEmbedder
from aembed.integrations.embedders import INLINE_NUMBERS, Embedders, as_lists


@pytest.mark.parametrize("model", [7, b"mock", ["mock"]], ids=repr)
def test_a_model_is_a_name_or_an_embedder(model: Any) -> None:
    with pytest.raises(ConfigError, match=f"model is a {type(model).__name__}: give 'provider:model'"):
        Embedders(model, {})


def test_options_belong_to_a_model_that_is_yet_to_open() -> None:
    with SyncEmbedder("mock") as embedder:
        with pytest.raises(ConfigError, match="takes no options; give dimensions, cache where it is opened"):
            Embedders(embedder, {"dimensions": 8, "cache": True})
        assert Embedders(embedder, {}).name == "mock:mock"
    assert Embedders("mock", {"dimensions": 8}).saved_options() == {"dimensions": 8}
    assert Embedders(None, {"dimensions": 8}).saved_model() is None


@pytest.mark.parametrize(("model", "name"), [("search", "search"), (None, "default")])
def test_its_name_is_that_of_the_model(model: str | None, name: str) -> None:
    assert Embedders(model, {}).name == name
    assert repr(Embedders(model, {})) == f"<Embedders of {name}>"


def test_an_open_embedder_can_be_copied_and_not_pickled() -> None:
    with SyncEmbedder("mock") as embedder:
        embedders = Embedders(embedder, {})
        assert copy.deepcopy(embedders) is embedders
        with pytest.raises(ConfigError, match="give the adapter the name of a model"):
            pickle.dumps(embedders)


async def test_calls_that_come_together_open_the_model_once() -> None:
    embedders = Embedders("mock", {})
    opened: list[Any] = []

    async def open_it() -> None:
        opened.append(await embedders.opened())

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(open_it)
    assert len({id(each) for each in [*opened, await embedders.opened()]}) == 1
    assert (await embedders.spec()).name == "mock"
    await embedders.aclose()


async def test_closing_closes_what_it_opened_and_a_later_call_opens_it_again() -> None:
    embedders = Embedders("mock", {})
    first, blocking = await embedders.opened(), embedders.opened_blocking()
    assert isinstance(first, Embedder)
    await embedders.aclose()
    with pytest.raises(ClosedError):
        await first.embed_query("a")
    with pytest.raises(ClosedError):
        blocking.embed_query("a")
    assert (await embedders.embed(["a"], "query")).ok
    assert embedders.embed_blocking(["a"], "query").ok
    assert embedders.opened_blocking() is not blocking
    await embedders.aclose()
    await embedders.aclose()


def test_threads_share_one_embedder_until_it_is_closed() -> None:
    embedders = Embedders("mock", {})
    blocking = embedders.opened_blocking()
    assert embedders.opened_blocking() is blocking
    embedders.close()
    with pytest.raises(ClosedError):
        blocking.embed_query("a")
    embedders.close()


async def test_closing_the_embedder_of_threads_leaves_that_of_the_loop_open() -> None:
    embedders = Embedders("mock", {})
    embedder = await embedders.opened()
    embedders.close()
    assert isinstance(embedder, Embedder)
    await embedder.embed_query("a")
    assert await embedders.opened() is embedder
    await embedders.aclose()


def test_one_loop_after_another_uses_the_same_embedder() -> None:
    embedders = Embedders("mock", {})
    assert asyncio.run(embedders.opened()) is asyncio.run(embedders.opened())
    asyncio.run(embedders.aclose())


def test_two_loops_at_a_time_have_an_embedder_each() -> None:
    embedders = Embedders("mock", {})
    with asyncio.Runner() as one, asyncio.Runner() as two:
        first, second = one.run(embedders.opened()), two.run(embedders.opened())
        assert first is not second
        assert one.run(embedders.opened()) is first
        assert two.run(embedders.opened()) is second
        for runner, embedder in ((one, first), (two, second)):
            assert isinstance(embedder, Embedder)
            runner.run(embedder.aclose())


async def test_an_embedder_handed_in_is_used_and_left_open() -> None:
    async with aembed.new_embedder("mock") as embedder:
        embedders = Embedders(embedder, {})
        assert await embedders.opened() is embedder
        assert (await asyncio.to_thread(embedders.embed_blocking, ["a"], "query")).ok
        await embedders.aclose()
        await embedder.embed_query("b")
        assert embedder.statistics().requests == 2


async def test_its_own_loop_cannot_wait_for_an_embedder() -> None:
    async with aembed.new_embedder("mock") as embedder:
        with pytest.raises(EventLoopError, match="call the async method"):
            Embedders(embedder, {}).embed_blocking(["a"], "query")


async def test_an_adapter_made_away_from_a_loop_knows_none_to_wait_for() -> None:
    async with aembed.new_embedder("mock") as embedder:
        made = await asyncio.to_thread(Embedders, embedder, {})
        with pytest.raises(EventLoopError, match="without one"):
            await asyncio.to_thread(made.embed_blocking, ["a"], "query")


def test_an_embedder_whose_loop_has_stopped_is_not_waited_for() -> None:
    with asyncio.Runner() as runner:

        async def open_it() -> tuple[Embedder, Embedders]:
            embedder = await aembed.new_embedder("mock")
            return embedder, Embedders(embedder, {})

        embedder, embedders = runner.run(open_it())
        with pytest.raises(EventLoopError, match="without one"):
            embedders.embed_blocking(["a"], "query")
        runner.run(embedder.aclose())


class Rows:
    """Vectors that note the thread in which they become lists."""

    def __init__(self, numbers: int) -> None:
        self.vectors: Any = self
        self.size = numbers
        self.threads: list[int] = []

    def tolist(self) -> list[list[float]]:
        self.threads.append(threading.get_ident())
        return [[1.0]]


@pytest.mark.parametrize(("numbers", "here"), [(0, True), (20_000, True), (20_001, False)])
async def test_many_numbers_become_lists_in_another_thread(numbers: int, here: bool) -> None:
    rows = Rows(numbers)
    assert await as_lists(rows) == [[1.0]]
    assert (rows.threads == [threading.get_ident()]) is here
    assert INLINE_NUMBERS == 20_000


async def test_lists_hold_floats_of_python() -> None:
    embedders = Embedders("mock", {"dimensions": 4})
    result = await embedders.embed(["a", "b"], "document")
    rows = await as_lists(result)
    assert {type(number) for row in rows for number in row} == {float}
    np.testing.assert_array_equal(np.array(rows, np.float32), result.vectors)
    await embedders.aclose()
