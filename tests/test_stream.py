"""Ordered chunks from any source, in bounded memory, and nothing under way once the reader has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import (
    BadTextError,
    Chunk,
    ClosedError,
    Config,
    Embedder,
    EmbedderFactory,
    InputError,
    Limits,
    ModelSpec,
)
from aembed._stream import CHUNK_ITEMS
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(2 * CHUNK_ITEMS + 100)]


async def collect(embedder: Embedder, texts: Iterable[str]) -> list[Chunk]:
    async with embedder.stream_documents(texts) as chunks:
        return [chunk async for chunk in chunks]


async def test_chunks_are_the_documents_in_order(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    chunks = await collect(embedder, TEXTS)
    assert [chunk.start for chunk in chunks] == np.cumsum([0, *map(len, chunks)])[:-1].tolist()
    assert [text for chunk in chunks for text in chunk.texts] == TEXTS
    vectors = np.concatenate([chunk.vectors for chunk in chunks])
    np.testing.assert_array_equal(vectors, await embedder.embed_documents(TEXTS))


@pytest.mark.virtual_time
async def test_chunks_come_in_order_when_replies_do_not(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=CHUNK_ITEMS)
    embedder = await factory.new_embedder(ScriptedProvider([9.0, 1.0, 5.0], spec=spec))
    assert [chunk.start for chunk in await collect(embedder, TEXTS)] == [0, CHUNK_ITEMS, 2 * CHUNK_ITEMS]
    assert anyio.current_time() == pytest.approx(9.0)  # they were under way together


async def test_any_source_will_do(factory: EmbedderFactory) -> None:
    async def lines() -> AsyncIterator[str]:
        for text in TEXTS:
            yield text

    embedder = await factory.new_embedder("mock")
    for texts in (iter(TEXTS), lines()):
        async with embedder.stream_documents(texts) as chunks:
            assert [text async for chunk in chunks for text in chunk.texts] == TEXTS


async def test_no_texts_are_no_chunks(factory: EmbedderFactory) -> None:
    assert await collect(await factory.new_embedder("mock"), []) == []


@pytest.mark.virtual_time
async def test_texts_are_taken_only_as_fast_as_chunks_are_read(factory: EmbedderFactory) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"text {taken}"

    embedder = await factory.new_embedder("mock", limits=Limits(max_concurrency=2))
    size = embedder.spec.max_batch_texts or 0
    async with embedder.stream_documents(endless()) as chunks:
        for read in range(1, 5):
            await anext(chunks)
            await anyio.sleep(10)  # a slow consumer
            assert taken <= (read + 5) * size


async def test_leaving_early_cancels_requests_under_way(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([0.0, *[3600.0] * 99], spec=ModelSpec(name="model", dim=8, max_batch_texts=CHUNK_ITEMS))
    embedder = await factory.new_embedder(provider)
    async with embedder.stream_documents(TEXTS) as chunks:
        await anext(chunks)
        await anyio.wait_all_tasks_blocked()
        assert provider.in_flight == 2
    assert provider.in_flight == 0


async def test_leaving_early_leaves_no_task_at_that_very_moment(factory: EmbedderFactory) -> None:
    """Not even one that closes a generator of ours."""

    async def endless() -> AsyncIterator[str]:
        while True:
            yield "text"

    texts = endless()
    embedder = await factory.new_embedder("mock")
    before = asyncio.all_tasks()
    async with embedder.stream_documents(texts) as chunks:
        await anext(chunks)
    assert asyncio.all_tasks() == before
    await texts.aclose()  # type: ignore[attr-defined]


async def test_a_bad_text_is_named_by_its_place_in_the_stream(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=10)
    texts = [*TEXTS[: CHUNK_ITEMS + 50], " ", *TEXTS]
    with pytest.raises(InputError) as caught:
        await collect(embedder, texts)
    assert caught.value.index == CHUNK_ITEMS + 50


async def test_a_rejected_text_is_named_by_its_place_in_the_stream(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(refused={TEXTS[CHUNK_ITEMS + 7]: BadTextError("no")})
    with pytest.raises(BadTextError) as caught:
        await collect(await factory.new_embedder(provider), TEXTS)
    assert caught.value.index == CHUNK_ITEMS + 7


async def test_an_error_of_the_source_arrives_as_itself(factory: EmbedderFactory) -> None:
    def source() -> Iterator[str]:
        yield "text"
        raise LookupError("gone")

    embedder = await factory.new_embedder("mock")
    with pytest.raises(LookupError, match="gone"):
        await collect(embedder, source())


async def test_an_error_of_the_reader_arrives_as_itself(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(LookupError, match="mine"):
        async with embedder.stream_documents(TEXTS):
            raise LookupError("mine")


async def test_a_group_of_the_reader_stays_a_group(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(ExceptionGroup, match="mine"):
        async with embedder.stream_documents(TEXTS):
            raise ExceptionGroup("mine", [LookupError()])


async def test_a_string_is_no_stream_of_texts(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(InputError, match="put it in a list"):
        embedder.stream_documents("text")


async def test_a_closed_embedder_streams_nothing() -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("mock")
    with pytest.raises(ClosedError):
        await collect(embedder, TEXTS)


async def test_items_may_be_anything_that_has_a_text(factory: EmbedderFactory) -> None:
    rows = [{"id": number, "body": f"text {number}"} for number in range(7)]
    embedder = await factory.new_embedder("mock")
    stream = embedder.stream_documents(rows, text=lambda row: str(row["body"]), chunk_size=3)
    chunks = [chunk async for chunk in stream]
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert [row for chunk in chunks for row in chunk.items] == rows
    assert [text for chunk in chunks for text in chunk.texts] == [row["body"] for row in rows]


async def test_an_error_of_text_arrives_in_its_turn(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    chunks = embedder.stream_documents([["a"], ["b"], []], text=lambda row: row[0], chunk_size=2)
    assert (await anext(chunks)).texts == ["a", "b"]
    with pytest.raises(IndexError):
        await anext(chunks)


async def test_a_bad_text_fails_alone_if_failures_are_returned(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(refused={"bad": BadTextError("no")})
    embedder = await factory.new_embedder(provider)
    texts: Any = ["a", "b", "c", "d", "bad", "e", "f", " ", None, "g"]
    stream = embedder.stream_documents(texts, on_error="return", chunk_size=3)
    chunks = [chunk async for chunk in stream]
    assert [list(chunk.failures) for chunk in chunks] == [[], [1], [1, 2], []]
    assert [error.index for chunk in chunks for error in chunk.failures.values()] == [4, 7, 8]
    assert {type(error) for error in chunks[2].failures.values()} == {InputError}
    for chunk in chunks:
        assert np.flatnonzero(np.isnan(chunk.vectors).any(axis=1)).tolist() == list(chunk.failures)


@pytest.mark.parametrize("items", [{"a": "text"}, b"text", 7, None], ids=repr)
async def test_a_source_that_cannot_be_iterated_is_rejected_at_once(factory: EmbedderFactory, items: Any) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(InputError, match="items is a"):
        embedder.stream_documents(items)


async def test_wrong_arguments_are_rejected_at_once(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(InputError, match="chunk_size is 0"):
        embedder.stream_documents([], chunk_size=0)
    with pytest.raises(InputError, match="on_error is 'ignore'"):
        embedder.stream_documents([], on_error="ignore")  # type: ignore[call-overload]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("batch", "chunk_size", "concurrency", "size", "chunks"),
    [
        (None, None, 3, 256, 4),  # one to read, and one for each request
        (100, None, 3, 256, 2),
        (100, None, 6, 256, 3),
        (256, None, 2, 256, 3),
        (1000, None, 2, 1000, 3),
        (100, 50, 2, 50, 5),
        (None, 7, 2, 7, 3),
        (1, 256, 2, 256, 2),
    ],
)
async def test_how_many_chunks_are_under_way(
    factory: EmbedderFactory, batch: int | None, chunk_size: int | None, concurrency: int, size: int, chunks: int
) -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"text {taken}"

    provider = ScriptedProvider(latency=1.0, spec=ModelSpec(name="m", dim=8, max_batch_texts=batch))
    embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=concurrency))
    async with embedder.stream_documents(endless(), chunk_size=chunk_size) as stream:
        for read in range(3):
            await anyio.sleep(1000)
            assert taken == (chunks + read) * size
            assert len(await anext(stream)) == size
