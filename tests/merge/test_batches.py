"""The time at which a batch of small calls is sent, and the texts in it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from aembed import EmbedderFactory, Kind, Limits, MergePolicy, ModelSpec, Reply
from aembed.testing import ScriptedProvider
from tests.merge.gathering import PATIENT, WIDE, queries
from tests.scripted import TEXTS, batches, expected


@pytest.mark.virtual_time
async def test_everybody_gets_the_rows_of_their_texts(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=True)
    calls = [TEXTS[:1], TEXTS[3:5], TEXTS[4:6], TEXTS[7:8], TEXTS[::-1][:3]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert len(provider.calls) == 2
    assert sorted(provider.calls[1].texts) == [*TEXTS[10:12], *TEXTS[3:6], TEXTS[7], TEXTS[9]]
    statistics = embedder.statistics()
    assert (statistics.merged_calls, statistics.merged_requests, statistics.requests) == (4, 1, 2)


@pytest.mark.virtual_time
async def test_a_lone_call_goes_at_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    for number, text in enumerate(TEXTS[:3]):
        await embedder.embed_query(text)
        assert anyio.current_time() == pytest.approx(number + 1.0)


@pytest.mark.virtual_time
async def test_gathered_calls_leave_when_a_request_lands(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    await asyncio.gather(*await queries(embedder, TEXTS))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:])]
    assert anyio.current_time() == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_gathered_calls_leave_when_the_window_ends(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider([100.0], spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(window=0.25))
    calls = await queries(embedder, TEXTS[:3])
    await anyio.sleep(0.125)
    calls += await queries(embedder, TEXTS[3:6])
    await anyio.sleep(0.25)
    calls += await queries(embedder, TEXTS[6:9])
    await asyncio.gather(*calls)
    starts = [(call.texts, call.started) for call in sorted(provider.calls, key=lambda call: call.started)]
    assert starts == [
        ((TEXTS[0],), 0.0),
        (tuple(TEXTS[1:6]), pytest.approx(0.25)),
        (tuple(TEXTS[6:9]), pytest.approx(0.625)),
    ]


@pytest.mark.virtual_time
@pytest.mark.parametrize("cap", ["policy", "provider", "batch_size"])
async def test_gathered_calls_leave_when_they_fill_a_batch(factory: EmbedderFactory, cap: str) -> None:
    spec = replace(WIDE, max_batch_texts=4 if cap == "provider" else 100)
    provider = ScriptedProvider([100.0], spec=spec, latency=1.0)
    policy = MergePolicy(window=50.0, max_texts=4 if cap == "policy" else 64)
    options: Any = {"batch_size": 4} if cap == "batch_size" else {}
    embedder = await factory.new_embedder(provider, merge=policy, **options)
    await asyncio.gather(*await queries(embedder, TEXTS[:11]))
    starts = [(call.started, call.texts) for call in provider.calls]
    assert sorted(starts) == [
        (0.0, (TEXTS[0],)),
        (0.0, tuple(TEXTS[1:5])),
        (0.0, tuple(TEXTS[5:9])),
        (1.0, tuple(TEXTS[9:11])),  # not enough: when another has landed
    ]


@pytest.mark.virtual_time
async def test_larger_calls_go_alone(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(window=1000.0, max_texts=4))
    calls = await queries(embedder, TEXTS[:2])
    await asyncio.gather(embedder.embed(TEXTS[:4], kind="query"), embedder.embed(TEXTS[:5], kind="query"), *calls)
    assert sorted(map(len, batches(provider))) == [1, 1, 4, 5]
    assert embedder.statistics().merged_calls == 0


@pytest.mark.virtual_time
async def test_a_batch_is_never_larger_than_the_provider_takes(factory: EmbedderFactory) -> None:
    spec = ModelSpec(name="model", dim=8, max_batch_texts=5, max_batch_tokens=12)
    provider = ScriptedProvider(spec=spec, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    calls = [TEXTS[:1], TEXTS[1:4], TEXTS[4:6], TEXTS[6:7], TEXTS[7:11], ["word " * 8], ["word " * 8]]
    for texts, vectors in zip(
        calls, await asyncio.gather(*(embedder.embed_documents(texts) for texts in calls)), strict=True
    ):
        np.testing.assert_array_equal(vectors, await expected(texts))
    assert all(len(batch) <= 5 for batch in batches(provider))
    assert all(sum(len(text) // 4 + 1 for text in batch) <= 12 for batch in batches(provider))


@pytest.mark.virtual_time
async def test_calls_that_the_account_cannot_take_yet_continue_to_gather(factory: EmbedderFactory) -> None:
    """One batch waits for the quota; who comes meanwhile leaves with the next one."""
    provider = ScriptedProvider(spec=WIDE)
    embedder = await factory.new_embedder(
        provider, merge=MergePolicy(window=0.01), limits=Limits(requests_per_minute=1)
    )
    calls: list[asyncio.Task[Any]] = []
    for text in TEXTS:
        calls += await queries(embedder, [text])
        await anyio.sleep(1)
    assert embedder.statistics().waiting == 1
    await asyncio.gather(*calls)
    assert [len(batch) for batch in batches(provider)] == [1, 1, 10]
    assert embedder.statistics().merged_requests == 1


@pytest.mark.virtual_time
async def test_queries_and_documents_travel_apart(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    kinds: list[Kind] = ["query", "document"]
    await asyncio.gather(*(embedder.embed([text], kind=kinds[i % 2]) for i, text in enumerate(TEXTS)))
    assert [(call.kind, len(call.texts)) for call in provider.calls] == [
        ("query", 1),
        ("document", 1),
        ("query", 5),
        ("document", 5),
    ]


@pytest.mark.virtual_time
async def test_the_same_text_travels_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=PATIENT)
    vectors = await asyncio.gather(*await queries(embedder, [TEXTS[0], *TEXTS[1:3] * 4]))
    assert batches(provider) == [(TEXTS[0],), tuple(TEXTS[1:3])]
    np.testing.assert_array_equal(vectors, await expected([TEXTS[0], *TEXTS[1:3] * 4]))


async def test_no_call_is_left_behind(factory: EmbedderFactory) -> None:
    """Calls that follow on each other, on real time."""

    class Yielding(ScriptedProvider):
        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            return await super().embed(texts, kind=kind)

    provider = Yielding(spec=WIDE)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(max_texts=3, window=0.0))

    async def caller(number: int) -> None:
        for turn in range(20):
            text = f"{number} {turn}"
            np.testing.assert_array_equal(await embedder.embed_query(text), (await expected([text]))[0])

    await asyncio.gather(*(caller(number) for number in range(10)))
    assert sum(map(len, batches(provider))) == 200


@pytest.mark.virtual_time
async def test_gathered_texts_are_counted_anew_after_each_shared_request(factory: EmbedderFactory) -> None:
    """An account that has answered takes many requests at once, so that nothing but the count keeps these back."""
    provider = ScriptedProvider(spec=WIDE, latency=1.0)
    embedder = await factory.new_embedder(provider, merge=MergePolicy(window=1000.0, max_texts=3))
    for text in TEXTS:
        await embedder.embed_query(text)
    first = await queries(embedder, ["alone"])
    shared = await queries(embedder, ["a", "b", "c"])
    assert provider.in_flight == 2
    waiting = await queries(embedder, ["d", "e"])
    assert provider.in_flight == 2, "two are not enough for another request"
    waiting += await queries(embedder, ["f"])
    assert provider.in_flight == 3
    await asyncio.gather(*first, *shared, *waiting)
    assert batches(provider)[len(TEXTS) :] == [("alone",), ("a", "b", "c"), ("d", "e", "f")]


@pytest.mark.virtual_time
async def test_the_end_of_a_request_sends_no_second_batch_while_one_waits(factory: EmbedderFactory) -> None:
    """Two requests are in flight when a third has to wait for the quota; all others leave with the fourth."""
    provider = ScriptedProvider(spec=WIDE, latency=5.0)
    embedder = await factory.new_embedder(
        provider, merge=MergePolicy(window=0.01), limits=Limits(requests_per_minute=2)
    )
    calls: list[asyncio.Task[Any]] = []
    for text in TEXTS:
        calls += await queries(embedder, [text])
        await anyio.sleep(1)
    assert embedder.statistics().waiting == 1
    await asyncio.gather(*calls)
    assert [len(batch) for batch in batches(provider)] == [1, 1, 1, 9]
