"""Cancelled at any point, an operation leaves nothing behind, and the next ones work as if nothing had been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import count

import anyio.lowlevel
import numpy as np
import pytest

from aembed import (
    BadTextError,
    BatchTooLargeError,
    Config,
    Embedder,
    EmbedderFactory,
    Limits,
    ModelSpec,
    Provider,
    Registry,
    Source,
    Vectors,
)
from aembed.testing import ScriptedProvider
from tests.cancel import cancel_at
from tests.leaks import nothing_left_behind
from tests.loops import run
from tests.operations import BUSY, NARROW, TEXTS, Operation, a_stream, documents, everything_returned, query


async def documents_into_an_array(embedder: Embedder) -> None:
    await embedder.embed_documents(TEXTS, out=np.empty((len(TEXTS), 8), np.float32))


async def a_stream_of_a_stream(embedder: Embedder) -> None:
    async def lines() -> AsyncIterator[str]:
        for number, text in enumerate(TEXTS * 60):
            if number % 100 == 0:
                await anyio.lowlevel.checkpoint()
            yield text

    async with embedder.stream_documents(lines()) as chunks:
        async for _ in chunks:
            pass


async def soon(embedder: Embedder) -> Vectors:
    await anyio.sleep(0.25)
    return await embedder.embed_documents(TEXTS[:2])


async def the_dimension(embedder: Embedder) -> None:
    await embedder.get_dimension()


async def health(embedder: Embedder) -> None:
    await embedder.check_health()


def wide() -> ScriptedProvider:
    return ScriptedProvider([BUSY, 0.5], latency=1.0)


def narrow() -> ScriptedProvider:
    return ScriptedProvider([BUSY, 0.5, None, BUSY], latency=1.0, spec=NARROW)


def broad() -> ScriptedProvider:
    return ScriptedProvider([BUSY], latency=1.0, spec=replace(NARROW, max_batch_texts=200))


def fussy() -> ScriptedProvider:
    rejected = {TEXTS[4]: BadTextError("no"), TEXTS[7]: BadTextError("no", index=0)}
    return ScriptedProvider([BatchTooLargeError("too much"), BUSY], latency=1.0, refused=rejected)


def of_unknown_dimension() -> ScriptedProvider:
    return ScriptedProvider(latency=1.0, spec=ModelSpec(name="unknown", max_batch_texts=4))


CASES = [
    pytest.param(query, wide, id="query"),
    pytest.param(documents, wide, id="one batch"),
    pytest.param(documents, narrow, id="many batches"),
    pytest.param(documents_into_an_array, of_unknown_dimension, id="unknown dimension"),
    pytest.param(everything_returned, fussy, id="refused texts"),
    pytest.param(a_stream, broad, id="stream"),
    pytest.param(a_stream_of_a_stream, wide, id="stream of a stream"),
    pytest.param(the_dimension, of_unknown_dimension, id="dimension"),
    pytest.param(health, wide, id="health"),
]


@pytest.mark.parametrize("limits", [Limits(), Limits(max_concurrency=2, requests_per_minute=120.0)])
@pytest.mark.parametrize(("operation", "provider"), CASES)
def test_nothing_is_left_and_the_next_calls_work(
    operation: Operation, provider: Callable[[], ScriptedProvider], limits: Limits
) -> None:
    async def cancelled_at(suspension: int) -> bool:
        scripted = provider()
        with nothing_left_behind():
            async with EmbedderFactory(Config()) as factory:
                embedder = await factory.new_embedder(scripted, limits=limits)
                bystander = asyncio.create_task(soon(embedder))
                cancelled = await cancel_at(suspension, operation(embedder))
                expected = await bystander
                assert asyncio.all_tasks() == {asyncio.current_task()}
                assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
                assert scripted.in_flight == 0
                for _ in range(20):
                    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:2]), expected)
        assert scripted.closed == 1
        return cancelled

    for suspension in count(1):
        if not run(cancelled_at(suspension)):
            assert suspension > 1, "the operation never waited for anything"
            break


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_a_cancelled_close_has_closed(calls: int) -> None:
    async def cancelled_at(suspension: int) -> bool:
        provider = narrow()
        with nothing_left_behind():
            embedder = await EmbedderFactory(Config()).new_embedder(provider)
            running = [asyncio.create_task(documents(embedder)) for _ in range(calls)]
            await anyio.lowlevel.checkpoint()
            cancelled = await cancel_at(suspension, embedder.aclose(grace=60.0))  # three calls after a 429 take 12 s
            assert provider.closed == 1
            await asyncio.gather(*running)
            await embedder.aclose()
            assert provider.closed == 1
        return cancelled

    suspension = next(suspension for suspension in count(1) if not run(cancelled_at(suspension)))
    assert suspension > bool(calls)


def test_a_cancelled_factory_close_can_be_repeated() -> None:
    async def cancelled_at(suspension: int) -> bool:
        providers = [narrow(), wide()]
        factory = EmbedderFactory(Config())
        with nothing_left_behind():
            embedders = [await factory.new_embedder(provider) for provider in providers]
            running = [asyncio.create_task(documents(embedder)) for embedder in embedders]
            await anyio.lowlevel.checkpoint()
            cancelled = await cancel_at(suspension, factory.aclose())
            await asyncio.gather(*running)
            await factory.aclose()
        assert [provider.closed for provider in providers] == [1, 1]
        return cancelled

    assert next(suspension for suspension in count(1) if not run(cancelled_at(suspension))) > 1


@pytest.mark.parametrize("config", [Config(model="slow"), None], ids=["given", "read"])
def test_a_cancelled_opening_leaves_no_embedder(config: Config | None) -> None:
    opened: list[ScriptedProvider] = []

    async def open_slowly(source: Source) -> Provider:
        await anyio.sleep(1.0)
        opened.append(ScriptedProvider())
        return opened[-1]

    async def cancelled_at(suspension: int) -> bool:
        registry = Registry()
        registry.register("slow", open_slowly)
        with nothing_left_behind():
            async with EmbedderFactory(config, registry=registry) as factory:
                cancelled = await cancel_at(suspension, factory.new_embedder("slow"))
                assert ("embedders=0" in repr(factory)) is cancelled
        return cancelled

    assert next(suspension for suspension in count(1) if not run(cancelled_at(suspension))) > 1
    assert [provider.closed for provider in opened] == [1] * len(opened)
