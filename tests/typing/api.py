"""Types that checkers must infer. Never run: mypy --strict and pyright check it in ``nox -s types``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, assert_type

import numpy as np
from numpy.typing import NDArray

import aembed
from aembed import telemetry
from aembed.http import HttpApi, RequestFeatures
from aembed.stores import MemoryStore, SQLiteStore


class MyProvider:
    """Twenty lines, no base class."""

    @property
    def spec(self) -> aembed.ModelSpec:
        return aembed.ModelSpec(name="mine", dim=3)

    async def embed(self, texts: Sequence[str], /, *, kind: aembed.Kind) -> aembed.Reply:
        return aembed.Reply(np.ones((len(texts), 3), np.float32), tokens=7)

    async def aclose(self) -> None: ...


mine: aembed.Provider = MyProvider()


def my_request(texts: Sequence[str], features: RequestFeatures) -> Mapping[str, Any]:
    return {"texts": texts, **features.fields()}


my_api = HttpApi(key_variables=("MINE_API_KEY",), base_url="https://mine.example/v1", request=my_request)
aembed.Registry().register("mine", my_api)


class MyStore:
    """Three methods, no base class."""

    async def get_many(self, keys: Sequence[bytes], dim: int | None) -> tuple[NDArray[np.intp], aembed.Vectors]:
        return np.empty(0, np.intp), np.empty((0, dim or 0), np.float32)

    async def put_many(self, keys: Sequence[bytes], vectors: aembed.Vectors) -> None: ...

    async def aclose(self) -> None: ...


stores: list[aembed.Store] = [MyStore(), MemoryStore(), SQLiteStore("vectors.db")]


class NotAProvider:
    async def embed(self, texts: Sequence[str]) -> list[float]:
        return []


async def factories(factory: aembed.EmbedderFactory) -> None:
    async with aembed.EmbedderFactory(aembed.Config(model="mock"), registry=aembed.Registry()) as opened:
        assert_type(opened, aembed.EmbedderFactory)
    assert_type(await factory.new_embedder(), aembed.Embedder)
    async with factory.new_embedder("search") as embedder:
        assert_type(embedder, aembed.Embedder)
    await factory.new_embedder(MyProvider())
    await factory.new_embedder(
        "openai:text-embedding-3-small",
        base_url="https://example.com/v1",
        api_key="key",
        headers={"x": "y"},
        dimensions=256,
        batch_size=100,
        limits=aembed.Limits(requests_per_minute=3000, max_concurrency=32),
        retry=aembed.RetryPolicy(max_attempts=3),
        timeout=30.0,
        deadline=None,
        overlong="split",
        normalize=True,
        cache="vectors.db",
        merge=aembed.MergePolicy(max_texts=64),
        on_event=print,
    )
    await factory.new_embedder("openai", api_key=lambda: "key", strict=True, http=aembed.HttpSettings(public_only=True))
    await factory.new_embedder("openai", api_key_file="/run/secrets/openai")
    await factory.new_embedder("mock", cache=MyStore(), merge=True)
    await factory.new_embedder("mock", cache=SQLiteStore("vectors.db"))
    await factory.new_embedder("mock", cache=7)  # type: ignore[arg-type]
    await factory.new_embedder("mock", dimension=3)  # type: ignore[call-arg]
    await factory.new_embedder("mock", overlong="cut")  # type: ignore[arg-type]
    await factory.new_embedder(NotAProvider())  # type: ignore[arg-type]
    assert_type(factory.available_providers(), tuple[str, ...])
    assert_type(await factory.check_health(), Mapping[str, aembed.Health])


async def alone(config: aembed.Config) -> None:
    assert_type(await aembed.new_embedder(), aembed.Embedder)
    async with aembed.new_embedder("openai", config=config, dimensions=256, api_key="key") as embedder:
        assert_type(embedder, aembed.Embedder)
    async with aembed.new_embedder(MyProvider(), cache=True) as embedder:
        assert_type(embedder, aembed.Embedder)
    assert_type(await asyncio.create_task(aembed.new_embedder("mock")), aembed.Embedder)
    aembed.new_embedder("mock", dimension=3)  # type: ignore[call-arg]
    await aembed.new_embedder(model="mock")  # type: ignore[call-arg]
    await aembed.new_embedder("mock").embed_query("text")  # type: ignore[attr-defined]


def synchronous(out: NDArray[np.float32]) -> None:
    with aembed.SyncEmbedder("openai", config=aembed.Config(), dimensions=256, api_key="key") as embedder:
        assert_type(embedder, aembed.SyncEmbedder)
    assert_type(embedder.embed_query("text", deadline=3), NDArray[np.float32])
    assert_type(embedder.embed_documents(["text"], out=out), NDArray[np.float32])
    assert_type(embedder.embed(("text",), kind="query", on_error="return"), aembed.EmbedResult)
    assert_type(embedder.check_health(), aembed.Health)
    for chunk in embedder.stream_documents(["text"]):
        assert_type(chunk, aembed.Chunk[str])
    with embedder.stream_documents([(7, "text")], text=lambda row: row[1], chunk_size=100) as chunks:
        assert_type(next(chunks), aembed.Chunk[tuple[int, str]])
    embedder.embed_query(["text"])  # type: ignore[arg-type]
    embedder.stream_documents([(7, "text")])  # type: ignore[list-item]
    aembed.SyncEmbedder("mock", dimension=3)  # type: ignore[call-arg]
    embedder.close(grace=None)


async def embedders(embedder: aembed.Embedder, lines: AsyncIterator[str], out: NDArray[np.float32]) -> None:
    assert_type(await embedder.embed_query("text"), NDArray[np.float32])
    assert_type(await embedder.embed_documents(["text"], out=out), NDArray[np.float32])
    assert_type(await embedder.embed(("text",), kind="query", on_error="return"), aembed.EmbedResult)
    await embedder.embed_documents(["text"], progress=[0].append)
    await embedder.embed_documents(["text"], progress=lambda: None)  # type: ignore[arg-type, misc]
    await embedder.embed_query(["text"])  # type: ignore[arg-type]
    await embedder.embed(["text"], kind="passage")  # type: ignore[arg-type]
    async with embedder.stream_documents(lines) as chunks:
        async for chunk in chunks:
            assert_type(chunk, aembed.Chunk)
            assert_type(chunk, aembed.Chunk[str])
            assert_type(chunk.vectors, NDArray[np.float32])
            assert_type(chunk.failures, Mapping[int, aembed.AembedError])
    rows = embedder.stream_documents([(7, "text")], text=lambda row: row[1], on_error="return", chunk_size=100)
    assert_type(rows, aembed.DocumentStream[tuple[int, str]])
    assert_type((await anext(rows)).items, Sequence[tuple[int, str]])
    embedder.stream_documents([(7, "text")])  # type: ignore[list-item]
    assert_type(await embedder.get_dimension(), int)
    assert_type(embedder.spec.dim, int | None)
    assert_type(embedder.statistics(), aembed.Statistics)


def results(result: aembed.EmbedResult, error: aembed.AembedError) -> None:
    assert_type(result.failures, Mapping[int, aembed.AembedError])
    assert_type(result.usage.tokens, int | None)
    assert_type(error.partial, aembed.EmbedResult | None)
    error.index = 3
    result.elapsed = 3.0  # type: ignore[misc]


def events(event: aembed.Event) -> Any:
    match event:
        case aembed.RequestDone():
            return event.elapsed
        case aembed.RetryScheduled():
            return event.delay
        case aembed.BatchSplit() | aembed.BatchFailed():
            return event.error
        case aembed.CallDone():
            event.elapsed = 0.0  # type: ignore[misc]
            return assert_type(event.waited_for, Literal["slots", "requests", "tokens", "inputs", "pause", ""])
        case aembed.LimitChanged():
            return assert_type(event.limit, float | None)


async def observed(event: aembed.Event) -> None:
    def show(event: aembed.Event) -> None: ...

    listeners = [show, telemetry.logging(), telemetry.opentelemetry(attempts=True)]
    async with aembed.EmbedderFactory(listeners=listeners) as factory:
        telemetry.prometheus(factory)
        factory.add_listener(show)
        factory.add_listener(print)
        factory.add_listener(3)  # type: ignore[arg-type]
        assert_type(factory.statistics().accounts, tuple[aembed.AccountStatistics, ...])
    status = aembed.http_status(ValueError())
    assert_type(status.headers, Mapping[str, str])
    assert_type(status + 1, int)
