"""A SyncEmbedder does what an Embedder does, for any number of threads."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import traceback
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any
from weakref import ref

import anyio
import anyio.lowlevel
import numpy as np
import pytest

import aembed
from aembed import (
    BadTextError,
    Config,
    ConfigError,
    Embedder,
    InputError,
    Kind,
    Limits,
    MergePolicy,
    Profile,
    Reply,
    RequestDone,
    SyncEmbedder,
)
from aembed._sync.process import loop
from aembed.testing import ScriptedProvider
from tests.sync.conftest import TEXTS


def test_vectors_are_those_of_an_embedder(embedder: SyncEmbedder) -> None:
    async def same() -> list[Any]:
        async with aembed.new_embedder("mock", config=Config()) as other:
            return [
                await other.embed_query("q"),
                await other.embed_queries(TEXTS),
                await other.embed_documents(TEXTS),
                (await other.embed(TEXTS, kind="query")).vectors,
                await other.get_dimension(),
                other.measure(TEXTS),
                other.identity,
            ]

    out = np.empty((len(TEXTS), 128), np.float32)
    assert embedder.embed_documents(TEXTS, out=out) is out
    found = [
        embedder.embed_query("q"),
        embedder.embed_queries(TEXTS),
        out,
        embedder.embed(TEXTS, kind="query").vectors,
        embedder.get_dimension(),
        embedder.measure(TEXTS),
        embedder.identity,
    ]
    for mine, other in zip(found, asyncio.run(same()), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert (embedder.dimension, embedder.spec.name, embedder.is_available) == (128, "mock", True)
    assert embedder.check_health().ok
    assert embedder.statistics().requests == 5
    assert repr(embedder).startswith("<SyncEmbedder mock:mock dim=128 ")


@pytest.mark.parametrize(
    "name", ["embed_query", "embed_queries", "embed_documents", "embed", "stream_documents", "check_health"]
)
def test_defaults_are_those_of_an_embedder(name: str) -> None:
    mine, others = (inspect.signature(getattr(owner, name)).parameters for owner in (SyncEmbedder, Embedder))
    assert {each: mine[each].default for each in mine} == {each: others[each].default for each in others}


def test_closing_gives_calls_as_much_time_as_an_embedder_gives_them() -> None:
    mine, other = inspect.signature(SyncEmbedder.close), inspect.signature(Embedder.aclose)
    assert mine.parameters["grace"].default == other.parameters["grace"].default


def test_model_options_and_config_are_those_of_a_factory() -> None:
    config = Config(model="search", profiles={"search": Profile(model="mock", dimensions=8)})
    with SyncEmbedder(config=config) as by_default, SyncEmbedder("search", config=config, dimensions=5) as with_options:
        assert (by_default.dimension, with_options.dimension) == (8, 5)
    with pytest.raises(ConfigError, match="nonsense"):
        SyncEmbedder("nonsense:m", config=Config())
    with pytest.raises(ConfigError, match="config"):
        SyncEmbedder(config="mock")  # type: ignore[arg-type]


def test_texts_are_read_in_the_calling_thread(embedder: SyncEmbedder) -> None:
    threads = set()

    class QuerySet:
        """Like Django's: iterable in both ways, and in the first it must not run on an event loop."""

        def __iter__(self) -> Iterator[str]:
            threads.add(threading.get_ident())
            yield from TEXTS

        def __aiter__(self) -> AsyncIterator[str]:
            raise AssertionError

    assert embedder.embed_documents(QuerySet()).shape == (10, 128)
    assert embedder.embed_queries(text for text in QuerySet()).shape == (10, 128)
    assert embedder.embed(QuerySet(), on_error="return").vectors.shape == (10, 128)
    assert [len(chunk.items) for chunk in embedder.stream_documents(QuerySet(), chunk_size=4)] == [4, 4, 2]
    assert threads == {threading.get_ident()}


class Asynchronous:
    """Texts that no thread can read."""

    def __aiter__(self) -> AsyncIterator[str]:
        raise AssertionError


@pytest.mark.parametrize("wrong", ["text", {"a": "b"}, {"a", "b"}, [b"text"], ["text", " "], Asynchronous()])
def test_wrong_texts_are_input_errors(embedder: SyncEmbedder, wrong: Any) -> None:
    with pytest.raises(InputError):
        embedder.embed_documents(wrong)
    assert embedder.statistics().requests == 0


def test_an_error_keeps_its_type_and_leads_from_the_caller_to_its_origin() -> None:
    provider = ScriptedProvider([BadTextError("no good", index=0)])
    with SyncEmbedder(provider) as embedder, pytest.raises(BadTextError, match="no good") as caught:
        embedder.embed_documents(["text"])
    functions = iter([frame.name for frame in traceback.extract_tb(caught.value.__traceback__)])
    in_order = (
        "test_an_error_keeps_its_type_and_leads_from_the_caller_to_its_origin",
        "embed_documents",
        "run",
        "finish",
    )
    assert all(name in functions for name in in_order)
    assert caught.value.partial is not None


def test_an_error_that_was_handled_leaves_no_cycle() -> None:
    async def fail() -> None:
        raise BadTextError("no good")

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(BadTextError) as caught:
            loop.run(fail())
        error = ref(caught.value)
        del caught
        assert error() is None
    finally:
        gc.enable()


def test_threads_share_one_loop_cache_and_micro_batch() -> None:
    seen: set[int] = set()
    barrier = threading.Barrier(32)

    class Patient(ScriptedProvider):
        """Its first request lasts until every thread has made its call."""

        async def embed(self, texts: Sequence[str], /, *, kind: Kind) -> Reply:
            thread = loop._current
            while not seen and thread is not None and len(thread.calls) < 32:
                await anyio.lowlevel.checkpoint()
            for _ in range(100):  # until all have come as far as they can
                await anyio.lowlevel.checkpoint()
            seen.add(threading.get_ident())
            return await super().embed(texts, kind=kind)

    def query(number: int) -> None:
        barrier.wait()
        for _ in range(3):
            assert shared.embed_query(f"text {number}").shape == (8,)

    policy = MergePolicy(max_texts=31, window=60)
    with SyncEmbedder(Patient(), merge=policy, cache=True) as shared:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(query, range(32)))
        counted = shared.statistics()
    assert len(seen) == 1
    assert seen.isdisjoint({threading.get_ident()})
    assert (counted.texts, counted.requests, counted.cache_hits) == (32, 2, 64)


def test_several_embedders_share_the_thread(embedder: SyncEmbedder) -> None:
    idents: set[int] = set()
    made: list[SyncEmbedder] = []

    def work() -> None:
        made.append(SyncEmbedder("mock", config=Config(), on_event=lambda _: idents.add(threading.get_ident())))
        made[-1].embed_query("text")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in made:
        each.close()
    assert len(idents) == 1
    assert len([thread for thread in threading.enumerate() if thread.name == "aembed"]) == 1


def test_those_of_an_account_share_its_gate() -> None:
    """Embedders of a factory do too. Models in this process have no account."""
    options: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-any", "config": Config()}
    with (
        SyncEmbedder("openai:small", limits=Limits(max_concurrency=3), **options) as small,
        SyncEmbedder("openai:large", **options) as large,
        SyncEmbedder("openai:large", **{**options, "api_key": "sk-another"}) as another,
        SyncEmbedder("mock", limits=Limits(max_concurrency=3), config=Config()) as mock,
        SyncEmbedder("mock", limits=Limits(max_concurrency=4), config=Config()) as second,
    ):
        assert [each.statistics().slots for each in (small, large, mock, second)] == [3, 3, 3, 4]
        assert another.statistics().slots > 4
        with pytest.raises(ConfigError, match=r"max_concurrency=3.*not 4.*close the other embedder"):
            SyncEmbedder("openai:small", limits=Limits(max_concurrency=4), **options)
    with SyncEmbedder("openai:small", limits=Limits(max_concurrency=4), **options) as small:
        assert small.statistics().slots == 4


def test_a_listener_sees_the_context_of_the_caller() -> None:
    trace = ContextVar("trace", default="none")
    seen: list[str] = []
    with SyncEmbedder("mock", config=Config(), on_event=lambda _: seen.append(trace.get())) as embedder:
        trace.set("mine")
        embedder.embed_query("text")
    assert set(seen) == {"mine"}


def test_a_listener_can_be_added_later(embedder: SyncEmbedder) -> None:
    seen: list[object] = []
    embedder.add_listener(seen.append)
    embedder.embed_query("text")
    assert any(isinstance(event, RequestDone) for event in seen)


def test_a_listener_that_ends_the_thread_does_not_hang_its_callers() -> None:
    def leave(_: object) -> None:
        raise SystemExit(3)

    with SyncEmbedder("mock", config=Config(), on_event=leave) as embedder, pytest.raises(SystemExit):
        embedder.embed_query("text")
    with SyncEmbedder("mock", config=Config()) as embedder:
        assert embedder.embed_query("text").shape == (128,)


def test_no_key_is_shown() -> None:
    with SyncEmbedder("openai:m", api_key="sk-secret", base_url="http://127.0.0.1:9", config=Config()) as embedder:
        assert "sk-secret" not in repr(vars(embedder))
    with pytest.raises(ConfigError) as caught:
        SyncEmbedder("openai:m", api_key="sk-secret", dimensions=-1, config=Config())
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "sk-secret" not in shown.replace('api_key="sk-secret"', "")
