"""Streams of any length: memory is that of the window, and the source is closed with the stream."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import BadTextError, Config, Embedder, EmbedderFactory, Limits, ModelSpec
from aembed._stream import CHUNK_ITEMS
from aembed.testing import ScriptedProvider
from tests.loops import run

SLOTS = 3
SIZE = 512
DIM = 64
AHEAD = SLOTS + 3
"""Chunks: under way or waiting, one in the reader's hands, and one that is being collected."""


def texts(count: int) -> Iterator[str]:
    return (f"a text of some forty characters, {number:09}" for number in range(count))


async def drain(source: Iterator[str]) -> int:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(
            "mock", dimensions=DIM, batch_size=SIZE, limits=Limits(max_concurrency=SLOTS)
        )
        async with embedder.stream_documents(source) as chunks:
            return sum([len(chunk) async for chunk in chunks])


def peak(count: int) -> int:
    """Bytes at most, while so many texts are embedded."""
    run(drain(texts(2 * SIZE)), loop_factory=asyncio.new_event_loop)  # objects that are made once
    tracemalloc.start()
    try:
        assert run(drain(texts(count)), loop_factory=asyncio.new_event_loop) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_input() -> None:
    short, long = peak(30_000), peak(120_000)
    assert long <= 1.1 * short
    chunk = SIZE * (DIM * 4 + len(next(texts(1))) + 100)
    assert long <= 3 * AHEAD * chunk  # some arrays are there twice while they are made


def test_an_array_of_the_callers_is_filled_without_a_second_one(tmp_path: Path) -> None:
    """A memmap is not counted, so the count is all the other memory."""
    items = list(texts(10_000))
    out = np.lib.format.open_memmap(tmp_path / "vectors.npy", "w+", np.float32, (len(items), 1024))

    async def fill() -> int:
        async with EmbedderFactory(Config()) as factory:
            options = Limits(max_concurrency=SLOTS)
            embedder = await factory.new_embedder("mock", dimensions=1024, batch_size=100, limits=options)
            assert await embedder.embed_documents(items, out=out) is out
            tracemalloc.start()
            try:
                await embedder.embed_documents(items, out=out)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert run(fill(), loop_factory=asyncio.new_event_loop) <= out.nbytes / 8
    assert np.linalg.norm(out, axis=1) == pytest.approx(1.0)


async def test_65_a_reader_that_stops_stops_the_source(factory: EmbedderFactory) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for text in texts(10**9):
            taken += 1
            yield text

    embedder = await factory.new_embedder("mock", batch_size=SIZE, limits=Limits(max_concurrency=SLOTS))
    async with embedder.stream_documents(endless()) as chunks:
        for read in range(1, 20):
            await anext(chunks)
            await anyio.wait_all_tasks_blocked()
            assert taken <= (read + AHEAD) * SIZE
            waiting = taken
            await anyio.wait_all_tasks_blocked()
            assert taken == waiting


async def read_all(embedder: Embedder, source: AsyncIterable[str]) -> int:
    async with embedder.stream_documents(source) as chunks:
        return sum([len(chunk) async for chunk in chunks])


class Source:
    """An async generator that remembers how it ended.

    One that is left while it ``waits`` for its next text is cancelled there, as anything that waits is, and so is its
    clean-up, unless that is shielded.
    """

    def __init__(self, count: int, error: Exception | None = None, *, waits: bool = False) -> None:
        self.closed = self.cleaned_up = False
        self.waits = waits
        self._count = count
        self._error = error

    async def __call__(self) -> AsyncGenerator[str]:
        try:
            for text in texts(self._count):
                if self.waits:
                    await anyio.lowlevel.checkpoint()
                yield text
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True
            await anyio.lowlevel.checkpoint()  # as closing a file or a connection does
            self.cleaned_up = True


@pytest.mark.parametrize("chunks_read", [0, 1, 3])
@pytest.mark.parametrize("waits", [True, False])
async def test_an_async_generator_is_closed_when_its_stream_is_left(
    factory: EmbedderFactory, chunks_read: int, waits: bool
) -> None:
    source = Source(10**9, waits=waits)
    embedder = await factory.new_embedder("mock", batch_size=SIZE)
    async with embedder.stream_documents(source()) as chunks:
        await anyio.wait_all_tasks_blocked()
        for _ in range(chunks_read):
            await anext(chunks)
    assert source.closed
    assert source.cleaned_up or waits


async def test_an_async_generator_is_closed_when_a_text_fails(factory: EmbedderFactory) -> None:
    source = Source(10**9)
    bad = list(texts(CHUNK_ITEMS + 8))[-1]
    spec = ModelSpec(name="model", dim=8, max_batch_texts=CHUNK_ITEMS)
    embedder = await factory.new_embedder(ScriptedProvider(refused={bad: BadTextError("no")}, spec=spec))
    with pytest.raises(BadTextError) as caught:
        await read_all(embedder, source())
    assert caught.value.index == CHUNK_ITEMS + 7
    assert source.cleaned_up


async def test_an_async_generator_that_raises(factory: EmbedderFactory) -> None:
    source = Source(10, LookupError("gone"))
    embedder = await factory.new_embedder("mock")
    with pytest.raises(LookupError, match="gone"):
        await read_all(embedder, source())
    assert source.cleaned_up


async def test_an_error_of_the_source_comes_after_the_texts_before_it(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=CHUNK_ITEMS)
    count = 2 * CHUNK_ITEMS + 10
    source = Source(count, LookupError("gone"))
    read: list[str] = []

    async def read_until_it_breaks() -> None:
        async with embedder.stream_documents(source()) as chunks:
            async for chunk in chunks:
                read.extend(chunk.texts)

    with pytest.raises(LookupError, match="gone"):
        await read_until_it_breaks()
    assert read == list(texts(count))


async def test_an_async_generator_is_closed_when_the_reader_is_cancelled(factory: EmbedderFactory) -> None:
    source = Source(10**9)
    embedder = await factory.new_embedder("mock", batch_size=SIZE)
    with anyio.CancelScope() as scope:
        async with embedder.stream_documents(source()) as chunks:
            await anext(chunks)
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert source.cleaned_up
