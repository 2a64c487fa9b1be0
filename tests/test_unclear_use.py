"""Mistakes that every user makes once: each gets one clear sentence, or it works."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np
import pytest

from aembed import (
    Config,
    ConfigError,
    DeadlineError,
    EmbedderFactory,
    EventLoopError,
    HttpSettings,
    InputError,
    Kind,
    Limits,
    MergePolicy,
    ModelSpec,
    QuotaHints,
    RateLimitError,
    Registry,
    Reply,
    RetryPolicy,
    Source,
    jobs,
)
from aembed.integrations.embedders import Embedders
from aembed.providers import hub, local, mock, static
from aembed.providers.openai import OPENAI
from aembed.stores import SQLiteStore
from aembed.testing import LoopbackServer, ScriptedProvider


class Returns:
    """A provider that returns the value it is made with."""

    spec: Any = ModelSpec(name="mine", dim=3)

    def __init__(self, answer: object = None) -> None:
        self.answer = answer

    async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Any:
        return self.answer

    async def aclose(self) -> None: ...


class NotAsync(Returns):
    def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Any:
        return Reply(np.ones((1, 3), np.float32))


class NoSpec(Returns):
    spec: Any = "mine"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (np.ones((1, 3), np.float32), "returned a ndarray; return aembed.Reply"),
        ([[1.0, 2.0, 3.0]], "returned a list; return aembed.Reply"),
        (None, "returned nothing; return aembed.Reply"),
    ],
    ids=["array", "list", "None"],
)
async def test_a_provider_that_returns_no_reply(factory: EmbedderFactory, answer: Any, says: str) -> None:
    for timeout in (None, 5.0):
        embedder = await factory.new_embedder(Returns(answer), timeout=timeout)
        with pytest.raises(ConfigError, match=f"Returns.embed {says}"):
            await embedder.embed_query("text")
        assert (embedder.statistics().requests, embedder.statistics().in_flight) == (1, 0)


async def test_a_provider_that_is_none(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(NotAsync())
    with pytest.raises(ConfigError, match=r"NotAsync.embed is not an async function; write `async def embed`"):
        await embedder.embed_query("text")
    with pytest.raises(ConfigError, match=r"NoSpec.spec is a str; give an aembed.ModelSpec"):
        await factory.new_embedder(NoSpec())
    with pytest.raises(ConfigError, match=r"model is the class Returns; give an instance of it: Returns\(...\)"):
        await factory.new_embedder(Returns)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="model is a object; give 'provider:model' or a Provider"):
        await factory.new_embedder(object())  # type: ignore[arg-type]


async def test_a_list_where_one_text_is_wanted(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    with pytest.raises(InputError, match="expected str, got list; call embed_queries or embed_documents"):
        await embedder.embed_query(["a"])  # type: ignore[arg-type]


def test_a_model_where_a_config_is_wanted() -> None:
    with pytest.raises(ConfigError, match=r"config is the string 'mock'; give the model to new_embedder\('mock'\)"):
        EmbedderFactory("mock")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="config is a dict; give a Config"):
        EmbedderFactory({"model": "mock"})  # type: ignore[arg-type]


async def test_no_cache(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock", cache=None)  # type: ignore[arg-type, unused-ignore]
    await embedder.embed_query("text")
    assert embedder.statistics().cache_misses == 0


def step(call: Coroutine[Any, Any, Any]) -> None:
    """Begin a coroutine where no asyncio loop runs, as under trio."""
    try:
        call.send(None)
    finally:
        call.close()


def test_another_async_library() -> None:
    factory = EmbedderFactory(Config())
    embedder = asyncio.run(_made(factory))
    stream = embedder.stream_documents(["text"])
    calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: factory.new_embedder("mock"),
        lambda: embedder.embed_query("text"),
        lambda: embedder.embed_documents(["text"]),
        embedder.get_dimension,
        stream.__anext__,
        LoopbackServer("openai").start,
    ]
    for call in calls:
        with pytest.raises(EventLoopError, match="needs asyncio, and no asyncio event loop is running here"):
            step(call())
    asyncio.run(factory.aclose())


DIRECTLY: dict[str, Sequence[Callable[[], Coroutine[Any, Any, Any]]]] = {
    "a local provider": [lambda: local.open_provider(Source(provider="local"))],
    "a static provider": [lambda: static.open_provider(Source(provider="static", model="no/such"))],
    "a mock provider": [lambda: mock.open_provider(Source(provider="mock"))],
    "a provider over HTTP": [lambda: OPENAI(Source(provider="openai", model="m"))],
    "a download": [lambda: hub.download_model("local:no/such")],
    "an SQLiteStore": [
        SQLiteStore("no.db").open,
        lambda: SQLiteStore("no.db").get_many([b"k"], None),
        lambda: SQLiteStore("no.db").put_many([b"k"], np.ones((1, 2), np.float32)),
        SQLiteStore("no.db").aclose,
    ],
    "aembed.jobs": [
        lambda: jobs.run("no.txt", "no.npy", model="mock"),
        lambda: jobs.plan("no.txt", model="mock"),
        lambda: jobs.retry_rejects("no.npy"),
        lambda: jobs.join(["no.npy"], "all.npy"),
        lambda: jobs.open_like("no.npy").__aenter__(),
    ],
    "an adapter": [lambda: Embedders("mock", {}).embed(["text"], "query")],
}
"""What needs the loop, and its ways in that lead past a factory."""


@pytest.mark.parametrize("owner", DIRECTLY)
def test_another_async_library_without_a_factory(owner: str) -> None:
    for call in DIRECTLY[owner]:
        with pytest.raises(EventLoopError, match=f"^{owner} needs asyncio, and no asyncio event loop is running here"):
            step(call())


async def nothing() -> None:
    """A subject."""


MODES: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "load": lambda bench: bench.load(nothing, arrivals=bench.constant(1), duration=1),
    "closed": lambda bench: bench.closed(nothing, users=1, duration=1),
    "burst": lambda bench: bench.burst(nothing, base=1, spike=2, spike_s=1, duration=10),
    "sustained": lambda bench: bench.sustained(nothing, arrivals=bench.constant(1), duration=60),
    "steps": lambda bench: bench.steps(nothing, objective=bench.Objective(seconds=1), start=1),
    "sweep": lambda bench: bench.sweep(nothing, over={"users": [1, 2]}),
    "versus": lambda bench: bench.versus({"a": nothing, "b": nothing}, arrivals=bench.constant(1), duration=60),
    "micro": lambda bench: bench.micro(nothing),
    "memory": lambda bench: bench.memory(nothing),
    "cost": lambda bench: bench.cost(nothing),
    "selftest": lambda bench: bench.selftest(),
}


@pytest.mark.parametrize("mode", MODES)
def test_another_async_library_under_the_benchmark_runner(mode: str) -> None:
    bench = pytest.importorskip("aembed.bench", reason="needs the extra bench")
    with pytest.raises(EventLoopError, match=r"^aembed\.bench needs asyncio, and no asyncio event loop"):
        step(MODES[mode](bench))


def test_health_where_another_library_runs() -> None:
    factory = EmbedderFactory(Config())
    embedder = asyncio.run(_made(factory))
    with pytest.raises(StopIteration) as ended:
        step(embedder.check_health())
    assert isinstance(ended.value.value.error, EventLoopError)
    asyncio.run(factory.aclose())


async def _made(factory: EmbedderFactory) -> Any:
    return await factory.new_embedder("mock")


VALUES = [
    Limits(requests_per_minute=3),
    RetryPolicy(),
    MergePolicy(),
    HttpSettings(),
    Config(model="mock"),
    ModelSpec(name="m"),
    QuotaHints(),
    Source(provider="p"),
    RateLimitError("no", index=2, retry_after=3.0, status=429),
    DeadlineError("late"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_can_be_copied_and_pickled(value: Any) -> None:
    for again in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert type(again) is type(value)
        assert str(again) == str(value)
        assert vars(again) == vars(value) if hasattr(value, "__dict__") else again == value


async def test_results_can_be_copied_and_pickled(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder("mock")
    chunks = [chunk async for chunk in embedder.stream_documents(["text"])]
    for value in (await embedder.embed(["text"]), embedder.statistics(), await embedder.check_health(), *chunks):
        for again in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
            assert repr(again) == repr(value)


async def test_objects_with_connections_cannot_be_and_say_so(factory: EmbedderFactory) -> None:
    embedder = await factory.new_embedder(ScriptedProvider())
    for thing in (factory, embedder, embedder.stream_documents(["text"]), Registry()):
        for way in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=f"{type(thing).__name__} belongs to this process and cannot be copied"):
                way(thing)
