"""Cases 53, 56 and 65: a call cancelled at any moment leaves nothing behind and disturbs no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from itertools import count
from typing import Any, TypeAlias

import anyio
import numpy as np
import pytest
from anyio.lowlevel import checkpoint

from aembed import BadTextError, Config, Embedder, EmbedderFactory, Limits, ModelSpec, OverloadedError
from aembed.testing import LoopbackServer, ScriptedProvider
from aembed.testing.faults import Reset, SlowBody, Status, at_random
from tests.cancel import cancel_at
from tests.faults.case import DIM, always, embedding, mock, settled
from tests.faults.privacy import KEY, TEXTS
from tests.leaks import nothing_left_behind
from tests.loops import run

Operation: TypeAlias = Callable[[Embedder], Coroutine[Any, Any, Any]]


async def embed_query(embedder: Embedder) -> None:
    np.testing.assert_array_equal(await embedder.embed_query(TEXTS[0]), mock(TEXTS[:1])[0])


async def embed_documents(embedder: Embedder) -> None:
    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS), mock(TEXTS))


async def stream(embedder: Embedder) -> None:
    async def texts() -> AsyncIterator[str]:
        for number in range(400):
            if number % 100 == 0:
                await checkpoint()
            yield f"{TEXTS[0]} {number}"

    async with embedder.stream_documents(texts()) as chunks:
        async for chunk in chunks:
            assert len(chunk.vectors) == len(chunk.texts)


async def many_queries(embedder: Embedder) -> None:
    async with anyio.create_task_group() as tasks:
        for text in TEXTS * 2:
            tasks.start_soon(embedder.embed_query, text)


OPERATIONS: list[Operation] = [embed_query, embed_documents, stream, many_queries]
LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "memo": {"cache": True},
    "merge": {"merge": True},
    "memo_merge": {"cache": True, "merge": True},
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_fault_53_cancelled_at_every_suspension(operation: Operation, layers: dict[str, Any]) -> None:
    """One by one, until a call completes: no leak, a bystander unharmed, and then 20 plain requests succeed."""
    texts = TEXTS * 4  # 20

    async def cancelled_at(suspension: int) -> bool:
        spec = ModelSpec(name="narrow", dim=DIM, max_batch_texts=150 if operation is stream else 2)
        provider = ScriptedProvider([OverloadedError("busy", retry_after=3.0), 0.5, None], latency=1.0, spec=spec)
        with nothing_left_behind():
            async with EmbedderFactory(Config()) as factory:
                embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=2), **layers)
                bystander = asyncio.ensure_future(embedder.embed_query(TEXTS[0]))
                cancelled = await cancel_at(suspension, operation(embedder))
                np.testing.assert_array_equal(await bystander, mock(TEXTS[:1])[0])
                assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
                assert provider.in_flight == 0
                for text in texts:
                    np.testing.assert_array_equal(await embedder.embed_query(text), mock([text])[0])
        assert provider.closed == 1
        return cancelled

    suspensions = next(suspension for suspension in count(1) if not run(cancelled_at(suspension)))
    assert suspensions > 1, "it never waited for anything"


@pytest.mark.parametrize("operation", OPERATIONS[:3], ids=lambda operation: operation.__name__)
async def test_fault_53_cancelled_at_every_suspension_over_http(operation: Operation) -> None:
    """The connections of cancelled calls serve no other call; 20 requests after them are all right."""
    pieces = always(SlowBody(0.0, size=100))
    with LoopbackServer("openai", dim=DIM, api_key=KEY, faults=pieces) as server:
        async with embedding(server, limits=Limits(max_concurrency=4), batch_size=100) as embedder:
            for suspension in count(1):
                cancelled = await cancel_at(suspension, operation(embedder))
                await settled(lambda: embedder.statistics().in_flight == 0, "a place is left taken")
                assert embedder.statistics().waiting == 0
                await embed_query(embedder)
                if not cancelled:
                    break
            assert suspension > 1, "it never waited for anything"
            for _ in range(20):
                await embed_documents(embedder)


async def test_fault_53_cancelled_at_random_among_faults() -> None:
    """Connections break and callers leave, on a real server; the calls that stay get right answers."""
    with LoopbackServer(
        "openai", dim=DIM, api_key=KEY, faults=at_random(0.2, 3, [Reset("body"), Status(500)])
    ) as server:
        async with embedding(server, limits=Limits(max_concurrency=4)) as embedder:
            for suspension in range(1, 80):
                stays = asyncio.ensure_future(embedder.embed(TEXTS[:2], on_error="return"))
                await cancel_at(suspension % 23 + 1, embedder.embed(TEXTS, on_error="return"))
                result = await stays
                delivered = [index for index in range(2) if index not in result.failures]
                np.testing.assert_array_equal(result.vectors[delivered], mock(TEXTS[:2])[delivered])
            await settled(lambda: embedder.statistics().in_flight == 0, "a place is left taken")


@pytest.mark.virtual_time
@pytest.mark.parametrize("layers", [{"cache": True}, {"merge": True}, {"cache": True, "merge": True}])
@pytest.mark.parametrize("leaves", range(4))
async def test_fault_56_one_of_several_waiting_calls_leaves(layers: dict[str, Any], leaves: int) -> None:
    provider = ScriptedProvider(latency=1.0)
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1), **layers)
        calls = [asyncio.ensure_future(embedder.embed_query(TEXTS[0])) for _ in range(4)]
        await asyncio.wait(calls, timeout=0.5)
        calls[leaves].cancel()
        await asyncio.wait(calls)
        for number, call in enumerate(calls):
            if number == leaves:
                assert call.cancelled()
            else:
                np.testing.assert_array_equal(call.result(), mock(TEXTS[:1])[0])
        assert embedder.statistics().in_flight == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize("layers", [{"cache": True}, {"cache": True, "merge": True}])
async def test_fault_56_a_failure_reaches_each_call_as_a_separate_error(layers: dict[str, Any]) -> None:
    provider = ScriptedProvider(latency=1.0, refused={TEXTS[0]: BadTextError("no")})
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, **layers)
        calls = [asyncio.ensure_future(embedder.embed_documents([*TEXTS[1 : 1 + n], TEXTS[0]])) for n in range(3)]
        await asyncio.wait(calls)
        errors = [call.exception() for call in calls]
        assert len({id(error) for error in errors}) == 3
        assert [error.index for error in errors if isinstance(error, BadTextError)] == [0, 1, 2]


@pytest.mark.virtual_time
async def test_fault_65_a_slow_reader_holds_the_source_back() -> None:
    """Texts are taken as chunks are read: a bounded number waits, however long the stream."""
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        for number in range(20_000):
            taken += 1
            yield f"text {number}"

    provider = ScriptedProvider(spec=ModelSpec(name="small", dim=DIM, max_batch_texts=10))
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=2))
        read = ahead = 0
        async with embedder.stream_documents(texts()) as chunks:
            async for chunk in chunks:
                assert chunk.start == read
                read += len(chunk)
                await anyio.sleep(60.0)
                ahead = max(ahead, taken - read)
        assert read == 20_000
        assert ahead <= 5 * 256
