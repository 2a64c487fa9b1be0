"""A stream inside an async generator that is left early, in every way a program can leave one.

Each ends cleanly: the caller's task continues, requests in flight are cancelled, and no task is left.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import Config, Embedder, EmbedderFactory, ModelSpec, RateLimitError
from aembed.testing import ScriptedProvider
from tests.cancel import cancel_at
from tests.loops import run

SIZE = 4
TEXTS = [f"text {number}" for number in range(20 * SIZE)]

Chunks = AsyncGenerator[list[str], None]


class Answered(ScriptedProvider):
    """Answers the first two chunks, and holds the others."""

    def __init__(self) -> None:
        super().__init__([0.0, 0.0, *[3600.0] * 99], spec=ModelSpec(name="model", dim=8, max_batch_texts=SIZE))


async def generator(embedder: Embedder) -> Chunks:
    async with embedder.stream_documents(TEXTS, chunk_size=SIZE) as chunks:
        async for chunk in chunks:
            yield list(chunk.texts)


async def leave_by_break(chunks: Chunks) -> None:
    async for _ in chunks:
        break
    await chunks.aclose()


async def leave_by_break_without_closing(chunks: Chunks) -> None:
    async for _ in chunks:
        break


async def leave_by_return(chunks: Chunks) -> None:
    async with aclosing(chunks):
        async for _ in chunks:
            return


async def leave_by_an_exception(chunks: Chunks) -> None:
    async def read() -> None:
        async with aclosing(chunks):
            async for _ in chunks:
                raise LookupError

    with pytest.raises(LookupError):
        await read()


async def thrown_into(chunks: Chunks) -> None:
    await anext(chunks)
    with pytest.raises(LookupError):
        await chunks.athrow(LookupError())


async def close_in_another_task(chunks: Chunks) -> None:
    await anext(chunks)
    await asyncio.create_task(chunks.aclose())


async def read_in_another_task(chunks: Chunks) -> None:
    for _ in range(2):
        await asyncio.create_task(anext(chunks))
    await chunks.aclose()


async def begin_in_another_task_that_is_cancelled_later(chunks: Chunks) -> None:
    async def begin() -> None:
        await anext(chunks)
        await anyio.sleep_forever()

    task = asyncio.create_task(begin())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await asyncio.wait([task])
    await anext(chunks)
    await chunks.aclose()


async def cancelled_while_reading(chunks: Chunks) -> None:
    async def read() -> None:
        async for _ in chunks:
            pass

    task = asyncio.create_task(read())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def a_web_framework(chunks: Chunks) -> None:
    """Like Starlette's StreamingResponse: one task sends, another waits for the client to leave and cancels it."""
    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            async for _ in chunks:
                await anyio.lowlevel.checkpoint()

        async def listen_for_disconnect() -> None:
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()

        tasks.start_soon(send)
        tasks.start_soon(listen_for_disconnect)


WAYS = [
    leave_by_break,
    leave_by_return,
    leave_by_an_exception,
    thrown_into,
    close_in_another_task,
    read_in_another_task,
    begin_in_another_task_that_is_cancelled_later,
    cancelled_while_reading,
    a_web_framework,
    leave_by_break_without_closing,
]


async def settled(provider: ScriptedProvider, before: set[asyncio.Task[object]]) -> None:
    """The caller continues: its awaits are not cancelled."""
    gc.collect()
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    with anyio.CancelScope():
        await anyio.wait_all_tasks_blocked()
    assert provider.in_flight == 0
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
async def test_fault_82_a_generator_around_a_stream_may_be_left(
    factory: EmbedderFactory, leave: Callable[[Chunks], Coroutine[Any, Any, None]]
) -> None:
    before = asyncio.all_tasks()
    provider = Answered()
    embedder = await factory.new_embedder(provider)
    await leave(generator(embedder))
    await settled(provider, before)
    assert (await embedder.embed(TEXTS[:2], deadline=1e-3, on_error="return")).vectors.shape == (2, 8)


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
async def test_several_at_once_know_nothing_of_each_other(
    factory: EmbedderFactory, leave: Callable[[Chunks], Coroutine[Any, Any, None]]
) -> None:
    before = asyncio.all_tasks()
    providers = [Answered() for _ in range(3)]
    embedders = [await factory.new_embedder(provider) for provider in providers]
    async with anyio.create_task_group() as tasks:
        for embedder in embedders:
            tasks.start_soon(leave, generator(embedder))
    for provider in providers:
        await settled(provider, before)


async def test_a_program_that_ends_in_the_middle() -> None:
    """``asyncio.run`` cancels all tasks, then finalizes generators."""
    provider = Answered()
    kept: list[Chunks] = []
    factory = EmbedderFactory(Config())

    async def main() -> None:
        kept.append(generator(await factory.new_embedder(provider)))
        await anext(kept[0])

    await asyncio.to_thread(run, main())
    assert provider.in_flight == 0
    await factory.aclose()  # which would warn that it was left open


async def test_a_stream_that_is_dropped_is_cancelled_and_reported(factory: EmbedderFactory) -> None:
    before = asyncio.all_tasks()
    provider = Answered()
    embedder = await factory.new_embedder(provider)

    async def read() -> None:
        async for _ in embedder.stream_documents(TEXTS, chunk_size=SIZE):
            break
        gc.collect()

    with pytest.warns(ResourceWarning, match="never closed: a stream of documents"):
        await read()
    await settled(provider, before)


async def test_a_stream_needs_no_block_to_be_read_to_its_end(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    chunks = embedder.stream_documents(TEXTS, chunk_size=SIZE)
    assert [text async for chunk in chunks for text in chunk.texts] == TEXTS
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


@pytest.mark.virtual_time
async def test_a_cancelled_read_loses_no_chunk(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(latency=0.02, spec=ModelSpec(name="model", dim=8, max_batch_texts=SIZE))
    embedder = await factory.new_embedder(provider)
    texts: list[str] = []
    async with embedder.stream_documents(TEXTS, chunk_size=SIZE) as chunks:
        while len(texts) < len(TEXTS):
            with anyio.move_on_after(0.001):
                texts += (await anext(chunks)).texts
    assert texts == TEXTS


async def test_a_read_of_the_end_may_be_cancelled_too(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    suspension = 0
    cancelled = True
    while cancelled:
        suspension += 1
        chunks = embedder.stream_documents(["text"])
        cancelled = await cancel_at(suspension, anext(chunks))
        cancelled |= await cancel_at(suspension, anext(chunks, None))
        assert [chunk.texts async for chunk in chunks] in ([], [["text"]])


async def test_readers_share_the_chunks(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    starts: list[int] = []
    async with embedder.stream_documents(TEXTS, chunk_size=SIZE) as chunks:

        async def read() -> None:
            async for chunk in chunks:
                starts.append(chunk.start)
                await anyio.lowlevel.checkpoint()

        await asyncio.gather(*(read() for _ in range(3)))
    assert starts == list(range(0, len(TEXTS), SIZE))


async def test_closing_ends_a_read_that_waits(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(Answered())
    chunks = embedder.stream_documents(TEXTS, chunk_size=SIZE)

    async def read() -> int:
        return len([chunk async for chunk in chunks])

    task = asyncio.create_task(read())
    await anyio.wait_all_tasks_blocked()
    await chunks.aclose()
    assert await task == 2
    await chunks.aclose()


async def test_a_source_may_close_its_own_stream(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")

    async def source() -> AsyncGenerator[str, None]:
        yield "text"
        await chunks.aclose()

    chunks = embedder.stream_documents(source())
    assert [chunk async for chunk in chunks] == []


async def test_an_error_ends_the_stream_and_requests_under_way(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=SIZE)
    provider = ScriptedProvider([RateLimitError("no", retry_after=9e9), *[3600.0] * 99], spec=spec)
    embedder = await factory.new_embedder(provider)
    chunks = embedder.stream_documents(TEXTS, chunk_size=SIZE)
    with pytest.raises(RateLimitError):
        await anext(chunks)
    assert provider.in_flight == 0
    assert [chunk async for chunk in chunks] == []


async def test_a_cancelled_source_does_not_look_like_the_end(factory: EmbedderFactory) -> None:
    def source() -> Iterator[str]:
        yield from TEXTS[: 2 * SIZE]
        raise asyncio.CancelledError

    embedder = await factory.new_embedder("mock")
    async with embedder.stream_documents(source(), chunk_size=SIZE) as chunks:
        assert [len(await anext(chunks)) for _ in range(2)] == [SIZE, SIZE]
        with pytest.raises(asyncio.CancelledError):
            await anext(chunks)
