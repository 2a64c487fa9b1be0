"""The facade: vectors in input order, results, health and statistics."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import anyio
import numpy as np
import pytest

from aembed import (
    AuthenticationError,
    BadTextError,
    Config,
    ConnectError,
    Embedder,
    EmbedderFactory,
    Health,
    InputError,
    Limits,
    ModelSpec,
    RateLimitError,
    TextTooLongError,
)
from aembed._engine import overlong
from aembed.testing import ScriptedProvider

TEXTS = [f"text {number}" for number in range(20)]


async def test_documents_come_in_input_order(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=3)
    vectors = await embedder.embed_documents(TEXTS)
    assert vectors.shape == (20, 128)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_array_equal(vector, await embedder.embed_query(text))


async def test_a_query_is_one_row(factory: EmbedderFactory) -> None:
    vector = await (await factory.new_embedder("mock")).embed_query("text")
    assert vector.shape == (128,)
    assert vector.dtype == np.float32


async def test_no_texts_are_no_rows_and_no_request(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    assert (await embedder.embed_documents([])).shape == (0, 8)
    assert (await embedder.embed([])).ok
    assert provider.calls == []


async def test_changing_the_list_during_a_call_changes_nothing(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=5)
    expected = await embedder.embed_documents(TEXTS)
    texts = TEXTS.copy()
    call = asyncio.create_task(embedder.embed_documents(texts))
    await anyio.lowlevel.checkpoint()
    texts[:] = ["something else"] * len(TEXTS)
    np.testing.assert_array_equal(await call, expected)


async def test_queries_and_documents_are_kept_apart(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    await embedder.embed_query("a")
    await embedder.embed_documents(["b"])
    await embedder.embed(["c"])
    await embedder.embed(["d"], kind="query")
    assert [(call.texts[0], call.kind) for call in provider.calls] == [
        ("a", "query"),
        ("b", "document"),
        ("c", "document"),
        ("d", "query"),
    ]


async def test_a_result_has_all_facts_of_the_call(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=5)
    result = await embedder.embed(TEXTS)
    np.testing.assert_array_equal(result.vectors, await embedder.embed_documents(TEXTS))
    assert result.ok
    assert (result.failures, result.not_attempted, result.truncated) == ({}, (), ())
    assert result.usage.requests == 4
    assert result.usage.tokens == embedder.statistics().tokens // 2 > 0
    assert result.elapsed > 0


# ---- dimension and health


async def test_an_unknown_dimension_is_asked_for_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(spec=ModelSpec(name="model"), dim=5)
    embedder = await factory.new_embedder(provider)
    assert [await embedder.get_dimension() for _ in range(3)] == [5, 5, 5]
    assert embedder.spec.dim == 5
    assert len(provider.calls) == 1


async def test_a_known_dimension_is_not_asked_for(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    assert await (await factory.new_embedder(provider)).get_dimension() == 8
    assert provider.calls == []


async def test_health_says_how_it_went_and_never_raises(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider([None, AuthenticationError("who are you")]))
    before = time.perf_counter()
    well, ill = [await embedder.check_health() for _ in range(2)]
    assert (well.ok, well.error) == (True, None)
    assert isinstance(ill, Health)
    assert isinstance(ill.error, AuthenticationError)
    assert 0 < min(well.latency, ill.latency) <= well.latency + ill.latency < time.perf_counter() - before


@pytest.mark.virtual_time
async def test_health_is_that_of_now(factory: EmbedderFactory) -> None:
    """One request, and no attempts until it works; but to be too fast is no illness."""
    provider = ScriptedProvider([ConnectError("nobody there"), None, RateLimitError("too fast", retry_after=1.0)])
    embedder = await factory.new_embedder(provider)
    assert [(await embedder.check_health()).ok for _ in range(3)] == [False, True, True]
    assert len(provider.calls) == 4


async def test_statistics_are_a_snapshot(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", batch_size=5)
    before = embedder.statistics()
    await embedder.embed_documents(TEXTS)
    after = embedder.statistics()
    assert (before.texts, before.requests) == (0, 0)
    assert (after.texts, after.requests, after.retries, after.failed, after.in_flight) == (20, 4, 0, 0, 0)


# ---- a text that stands several times in a call


async def test_a_repeated_text_is_sent_once(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider, batch_size=3)
    texts = [TEXTS[i % 4] for i in range(10)]
    out = np.empty((10, 8), np.float32)
    vectors = await embedder.embed_documents(texts, out=out)
    assert vectors is out
    assert sorted(text for call in provider.calls for text in call.texts) == TEXTS[:4]
    np.testing.assert_array_equal(vectors, (await embedder.embed(TEXTS[:4])).vectors[np.arange(10) % 4])


async def test_a_rejected_text_has_failed_in_every_place(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(refused={TEXTS[1]: BadTextError("no")})
    embedder = await factory.new_embedder(provider)
    texts = [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1]]
    result = await embedder.embed(texts, on_error="return")
    assert {row: error.index for row, error in result.failures.items()} == {1: 1, 3: 3}
    assert np.isnan(result.vectors).all(axis=1).tolist() == [False, True, False, True]
    with pytest.raises(BadTextError) as caught:
        await embedder.embed(texts)
    assert caught.value.index == 1
    assert caught.value.partial is not None
    assert list(caught.value.partial.failures) == [1, 3]


async def test_pieces_that_are_alike_count_each() -> None:
    """A text in pieces is the mean of all of them."""
    text = "abcd " * 64 + "another"
    spec = ModelSpec(name="model", dim=8, max_text_tokens=40)
    provider = ScriptedProvider(spec=spec, refused={text: TextTooLongError("too long")})
    async with EmbedderFactory(Config(overlong="split")) as factory:
        embedder = await factory.new_embedder(provider)
        pieces = overlong.pieces(text, 40)
        assert len(pieces) > len(set(pieces)) > 1
        mean = overlong.average(await embedder.embed_documents(pieces), pieces)
        np.testing.assert_array_equal(await embedder.embed_query(text), mean[0])


async def test_fault_90_a_blank_text_fails_alone_if_failures_are_returned(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    texts: Any = [f"text {number}" for number in range(1000)]
    expected = await embedder.embed_documents(texts)
    texts[500], texts[501], texts[0], texts[999] = " ", None, "", texts[2]
    result = await embedder.embed(texts, on_error="return")
    assert {index: error.index for index, error in result.failures.items()} == {0: 0, 500: 500, 501: 501}
    assert {type(error) for error in result.failures.values()} == {InputError}
    assert result.not_attempted == ()
    assert np.flatnonzero(np.isnan(result.vectors).all(axis=1)).tolist() == [0, 500, 501]
    np.testing.assert_array_equal(result.vectors[[1, 2, 499, 502, 999]], expected[[1, 2, 499, 502, 2]])
    nothing = await embedder.embed([" ", ""], on_error="return")
    assert (list(nothing.failures), nothing.usage.requests, nothing.vectors.shape) == ([0, 1], 0, (2, 128))


async def test_a_result_as_plain_objects(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider(refused={"bad": BadTextError("no")}, dim=2)
    embedder = await factory.new_embedder(provider)
    result = await embedder.embed(["good", "bad", " "], on_error="return")
    plain = result.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["ok"], plain["vectors"][0]) == (False, result.vectors[0].tolist())
    assert plain["vectors"][1:] == [None, None]
    assert [(failure["index"], failure["error"]) for failure in plain["failures"]] == [
        (1, "BadTextError"),
        (2, "InputError"),
    ]
    assert plain["usage"]["requests"] == result.usage.requests
    assert json.loads(json.dumps((await embedder.embed([])).to_dict()))["vectors"] == []


async def test_the_dimension_is_known_without_asking(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", dimensions=7)
    assert embedder.dimension == 7
    unknown = await factory.new_embedder(ScriptedProvider(spec=ModelSpec(name="unknown"), dim=5))
    assert unknown.dimension is None
    await unknown.embed_query("text")
    assert unknown.dimension == 5


async def test_several_queries_are_one_request(factory: EmbedderFactory) -> None:
    provider = ScriptedProvider()
    embedder = await factory.new_embedder(provider)
    vectors = await embedder.embed_queries(iter(TEXTS[:3]))
    assert vectors.shape == (3, 8)
    np.testing.assert_array_equal(vectors[1], await embedder.embed_query(TEXTS[1]))
    assert {call.kind for call in provider.calls} == {"query"}


def test_fault_88_statistics_from_another_thread_and_without_a_loop() -> None:
    factory = EmbedderFactory(Config())
    provider = ScriptedProvider([3600.0] * 2)

    async def main() -> Embedder:
        embedder = await factory.new_embedder(provider, limits=Limits(max_concurrency=1))
        assert embedder.statistics().requests == 0
        calls = [asyncio.create_task(embedder.embed_documents([text])) for text in TEXTS[:3]]
        await anyio.wait_all_tasks_blocked()
        here, there = embedder.statistics(), await asyncio.to_thread(embedder.statistics)
        assert (here.waiting, here.waiting_for) == (there.waiting, there.waiting_for) == (2, "slots")
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        return embedder

    embedder = asyncio.run(main())
    assert (embedder.statistics().requests, embedder.statistics().waiting) == (1, 0)
    asyncio.run(factory.aclose())


@pytest.mark.parametrize(
    ("base_url", "server"),
    [
        ("https://api.example/v1", "api.example"),
        ("https://api.example:443/v1", "api.example"),
        ("https://api.example:8443/v1", "api.example:8443"),
        ("http://localhost/v1", "localhost"),
        ("http://localhost:9000/v1", "localhost:9000"),
    ],
)
async def test_its_server_has_a_port_where_that_is_unusual(base_url: str, server: str) -> None:
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder("openai:m", base_url=base_url, api_key="sk-made-up")
        assert embedder.server == server
        assert (await factory.new_embedder("mock")).server is None
