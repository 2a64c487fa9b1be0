"""From one event loop to the next, without anything having been closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np

from aembed import Config, Embedder, EmbedderFactory, Vectors
from aembed.testing import ScriptedProvider
from tests.loops import run
from tests.memo.shelf import Shelf
from tests.scripted import PAIRS, TEXTS, expected, sent


def test_rows_that_a_loop_could_not_store_are_stored_by_the_next(tmp_path: Path) -> None:
    """A program that calls ``asyncio.run`` twice, and closes nothing in between."""

    class Locked(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            if locked:
                await anyio.sleep_forever()
            await super().put_many(keys, vectors)

    locked = True
    shelf = Locked()
    provider = ScriptedProvider(spec=PAIRS)
    factory = EmbedderFactory(Config())

    async def first() -> Embedder:
        embedder = await factory.new_embedder(provider, cache=shelf, merge=True)
        await embedder.embed_documents(TEXTS)
        return embedder

    async def second() -> None:
        np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), await expected(TEXTS))
        await embedder.embed_query("new")
        await factory.aclose()

    embedder = run(first())
    locked = False
    run(second())
    assert len(shelf.kept) >= 9  # the batch that was being put is gone
    assert len(sent(provider)) <= 12 + 4 + 1


def test_calls_of_an_ended_loop_do_not_hold_up_the_next() -> None:
    provider = ScriptedProvider([3600.0], spec=PAIRS, latency=1.0)
    factory = EmbedderFactory(Config())

    async def first() -> Embedder:
        embedder = await factory.new_embedder(provider, cache=True, merge=True)
        tasks.extend(asyncio.create_task(embedder.embed_query(text)) for text in (TEXTS[0], *TEXTS))
        await anyio.sleep(5)
        return embedder

    tasks: list[asyncio.Task[Any]] = []
    embedder = run(first())
    assert tasks[0].cancelled()
    np.testing.assert_array_equal(run(embedder.embed_documents(TEXTS)), run(expected(TEXTS)))
    run(factory.aclose())


def test_rows_that_an_ended_loop_was_storing_do_not_count_as_stored() -> None:
    """The outcome of the write is not known: the store is asked, and a text that it does not have is sent again."""

    class Locked(Shelf):
        async def put_many(self, keys: Sequence[bytes], vectors: Vectors) -> None:
            if locked:
                await anyio.sleep_forever()
            await super().put_many(keys, vectors)

    locked = True
    shelf = Locked()
    provider = ScriptedProvider()
    factory = EmbedderFactory(Config())

    async def first() -> Embedder:
        embedder = await factory.new_embedder(provider, cache=shelf)
        await embedder.embed_query("first")
        await anyio.wait_all_tasks_blocked()
        return embedder

    async def second() -> None:
        for text in ("new", "first"):  # something new is kept before it is looked for
            await embedder.embed_query(text)
        await factory.aclose()

    loop = asyncio.new_event_loop()
    embedder = loop.run_until_complete(first())
    left = asyncio.all_tasks(loop)  # as in the child of a fork, where no task cancels them
    loop.close()
    locked = False
    run(second())
    assert sent(provider) == ["first", "new", "first"]
    assert len(shelf.kept) == 2
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
