"""Cancelled at every point, with cache and merge in every combination, a call leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import (
    BadTextError,
    Config,
    Embedder,
    EmbedderFactory,
    EmbedderOptions,
    Limits,
    MergePolicy,
    Vectors,
)
from aembed.testing import ScriptedProvider
from tests.cancel import cancel_at
from tests.leaks import nothing_left_behind
from tests.loops import run
from tests.operations import BUSY, NARROW, TEXTS, Operation, a_stream, documents, everything_returned, query
from tests.scripted import expected
from tests.text_floor.slow_store import SlowStore


async def many_at_once(embedder: Embedder) -> None:
    async with anyio.create_task_group() as tasks:
        for text in TEXTS[:4] + TEXTS[:2]:
            tasks.start_soon(embedder.embed_documents, [text])


async def soon(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    await anyio.sleep(0.25)
    return await embedder.embed_documents(texts)


def layers(name: str, limits: Limits | None = None) -> EmbedderOptions:
    merge = MergePolicy(window=0.5, max_texts=4)
    options: dict[str, EmbedderOptions] = {
        "cache": {"cache": True},
        "slow cache": {"cache": SlowStore()},
        "merge": {"merge": merge},
        "both": {"cache": SlowStore(), "merge": merge},
    }
    options[name]["limits"] = limits or Limits()
    return options[name]


@pytest.mark.parametrize("limits", [Limits(), Limits(max_concurrency=2, requests_per_minute=120.0)], ids=["", "quota"])
@pytest.mark.parametrize("floor", ["cache", "slow cache", "merge", "both"])
@pytest.mark.parametrize(
    "operation",
    [query, documents, everything_returned, many_at_once, a_stream],
    ids=lambda operation: operation.__name__,
)
def test_case_53_cancelled_at_every_point_nothing_is_left(operation: Operation, floor: str, limits: Limits) -> None:
    async def cancelled_at(suspension: int) -> bool:
        rejected = {TEXTS[4]: BadTextError("no"), TEXTS[7]: BadTextError("no", index=0)}
        provider = ScriptedProvider(
            [BUSY, 0.5, None, BUSY],
            latency=1.0,
            spec=NARROW,
            refused=rejected if operation is everything_returned else {},
        )
        with nothing_left_behind():
            async with EmbedderFactory(Config()) as factory:
                embedder = await factory.new_embedder(provider, **layers(floor, limits))
                bystander = asyncio.create_task(soon(embedder, TEXTS[:2]))
                cancelled = await cancel_at(suspension, operation(embedder))
                right = await bystander
                assert (embedder.statistics().in_flight, embedder.statistics().waiting) == (0, 0)
                assert provider.in_flight == 0
                np.testing.assert_array_equal(right, await expected(TEXTS[:2]))
                for _ in range(20):
                    np.testing.assert_array_equal(await embedder.embed_documents(TEXTS[:2]), right)
        assert provider.closed == 1
        return cancelled

    for suspension in count(1):
        if not run(cancelled_at(suspension)):
            assert suspension > 1, "the operation never waited for anything"
            break


@pytest.mark.parametrize("floor", ["cache", "slow cache", "merge", "both"])
def test_a_cancelled_close_has_closed(floor: str) -> None:
    async def cancelled_at(suspension: int) -> bool:
        provider = ScriptedProvider([BUSY], latency=1.0, spec=NARROW)
        with nothing_left_behind():
            factory = EmbedderFactory(Config())
            embedder = await factory.new_embedder(provider, **layers(floor))
            running = [asyncio.create_task(embedder.embed_documents(TEXTS[:2])) for _ in range(3)]
            await anyio.lowlevel.checkpoint()
            cancelled = await cancel_at(suspension, embedder.aclose())
            assert provider.closed == 1
            for vectors in await asyncio.gather(*running):
                np.testing.assert_array_equal(vectors, await expected(TEXTS[:2]))
            await factory.aclose()
            assert provider.closed == 1
        return cancelled

    assert next(suspension for suspension in count(1) if not run(cancelled_at(suspension))) > 1
