"""Cache, merge, streams, quotas and failures together: rows always follow the input and nothing leaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Literal

import anyio
import anyio.lowlevel
import numpy as np
from hypothesis import event, given

from aembed import (
    AembedError,
    BadTextError,
    ClosedError,
    Config,
    DeadlineError,
    Embedder,
    EmbedderFactory,
    EmbedderOptions,
    EmbedResult,
    Limits,
    RequestTimeoutError,
    RetryPolicy,
    Vectors,
)
from aembed.stores import MemoryStore
from tests.leaks import nothing_left_behind
from tests.loops import run
from tests.scripted import expected
from tests.text_floor.slow_store import SlowStore
from tests.text_floor.worlds import WORDS, Call, StrictServer, World, worlds


async def make(call: Call, embedder: Embedder) -> EmbedResult | Vectors:
    """The call, in its own way. Its rows, or its result where there is one."""
    match call.method:
        case "query":
            return (await embedder.embed_query(call.texts[0]))[None]
        case "documents":
            return await embedder.embed_documents(call.texts)
        case "out":
            out = np.full((len(call.texts), 8), 7.0, np.float32)
            assert await embedder.embed_documents(call.texts, out=out) is out
            return out
        case "stream":
            async with embedder.stream_documents(call.texts) as chunks:
                return np.concatenate([chunk.vectors async for chunk in chunks])
        case "embed" | "return":
            on_error: Literal["raise", "return"] = "return" if call.method == "return" else "raise"
            return await embedder.embed(call.texts, on_error=on_error, deadline=call.deadline)


async def check(call: Call, outcome: Any, world: World) -> EmbedResult | None:
    """Rows follow the input, and every text is exactly one of: a row, failed, not attempted. Returns its usage."""
    texts = call.texts[:1] if call.method == "query" else call.texts
    right = await expected(texts)
    if isinstance(outcome, np.ndarray):
        np.testing.assert_array_equal(outcome, right)
        assert not world.bad.intersection(texts)
        return None
    result = outcome.partial if isinstance(outcome, AembedError) else outcome
    if result is None:
        assert isinstance(outcome, ClosedError)
        return None
    assert isinstance(result, EmbedResult)
    good = [row for row in range(len(texts)) if not np.isnan(result.vectors[row]).any()] if result.vectors.size else []
    assert sorted([*good, *result.failures, *result.not_attempted]) == list(range(len(texts)))
    np.testing.assert_array_equal(result.vectors[good], right[good])
    for row, error in result.failures.items():
        if isinstance(error, BadTextError):
            assert texts[row] in world.bad
            assert error.index == row
        else:
            assert isinstance(error, (RequestTimeoutError, DeadlineError)) or type(error) in map(type, world.script)
        has_deadline = call.deadline is not None or call.method == "query"  # queries have one by default
        assert not isinstance(error, DeadlineError) or has_deadline
    assert not world.bad.intersection(texts[row] for row in good)
    if isinstance(outcome, EmbedResult):
        assert call.method == "return" or not result.failures
    return result


async def live(world: World) -> None:
    server = StrictServer(world)
    store = SlowStore() if world.cache == "slow" else MemoryStore()
    options: EmbedderOptions = {
        "limits": Limits(
            requests_per_minute=world.requests_per_minute,
            inputs_per_minute=world.inputs_per_minute,
            max_concurrency=world.max_concurrency,
        ),
        "retry": RetryPolicy(max_attempts=20, initial_delay=0.25, max_delay=2.0),
        "cache": False if world.cache == "none" else store,
        "merge": world.merge or False,
    }
    with nothing_left_behind():
        async with EmbedderFactory(Config()) as factory:
            embedders = [await factory.new_embedder(server, **options) for _ in range(2)]

            async def caller(call: Call) -> Any:
                await anyio.sleep(call.start)
                task = asyncio.create_task(make(call, embedders[call.embedder]))
                await asyncio.wait([task], timeout=call.cancel)
                task.cancel()
                await asyncio.wait([task])
                return None if task.cancelled() else task.exception() or task.result()

            async def closer() -> None:
                if world.close is not None:
                    await anyio.sleep(world.close)
                    await embedders[1].aclose()

            *outcomes, _ = await asyncio.gather(*map(caller, world.calls), closer())
            statistics = [embedder.statistics() for embedder in embedders]
            assert (statistics[0].in_flight, statistics[0].waiting, server.in_flight) == (0, 0, 0)
            results = [
                await check(call, outcome, world)
                for call, outcome in zip(world.calls, outcomes, strict=True)
                if outcome is not None
            ]
            errors = [outcome for outcome in outcomes if isinstance(outcome, AembedError)]
            assert len({id(error) for error in errors}) == len(errors)
            assert server.quota_rejections == 0
            wanted = Counter(
                (("query" if call.method == "query" else "document"), text)
                for call in world.calls
                for text in set(call.texts[:1] if call.method == "query" else call.texts)
            )
            for known, times in server.answered.items():
                assert times <= (wanted[known] if world.cache == "none" else 1), known
            assert sum(numbers.requests for numbers in statistics) == server.requests
            if all(isinstance(outcome, EmbedResult) for outcome in outcomes):
                event("every request has a payer")
                assert sum(result.usage.requests for result in results if result) == server.requests
                assert sum(result.usage.tokens or 0 for result in results if result) == 10 * server.answered.total()
            server.script = iter(())
            good = [word for word in WORDS if word not in world.bad]
            np.testing.assert_array_equal(await embedders[0].embed_documents(good), await expected(good))
    assert server.closed == 1


@given(worlds)
def test_rows_always_follow_the_input_and_nothing_leaks(world: World) -> None:
    run(live(world))
