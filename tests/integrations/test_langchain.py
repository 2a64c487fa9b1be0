"""LangChain with its in-memory store and aembed's local model."""

from __future__ import annotations

import asyncio
import threading

import pytest

pytest.importorskip("langchain_core", reason="needs the extra langchain")

from langchain_core.vectorstores import InMemoryVectorStore

import aembed
from aembed.integrations.langchain import AembedEmbeddings
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls


def test_retrieval_through_its_own_store() -> None:
    embeddings = AembedEmbeddings("local")
    store = InMemoryVectorStore.from_texts(DOCUMENTS, embeddings)
    for question, answer in QUESTIONS.items():
        assert store.similarity_search(question, k=1)[0].page_content == answer
    embeddings.close()


async def test_retrieval_from_async_code_runs_on_the_caller_s_loop() -> None:
    calls, threads = Calls(), set[int]()

    def listener(event: aembed.Event) -> None:
        calls(event)
        threads.add(threading.get_ident())

    embeddings = AembedEmbeddings("local", on_event=listener)
    store = await InMemoryVectorStore.afrom_texts(DOCUMENTS, embeddings)
    for question, answer in QUESTIONS.items():
        assert (await store.asimilarity_search(question, k=1))[0].page_content == answer
    assert calls.seen == [("document", 4)] + [("query", 1)] * 3
    assert threads == {threading.get_ident()}
    await embeddings.aclose()


async def test_sync_and_async_give_the_same_vectors_in_order() -> None:
    embeddings = AembedEmbeddings("mock", dimensions=8)
    texts = [f"text {number}" for number in range(300)]
    rows = await embeddings.aembed_documents(texts)
    assert rows == await asyncio.to_thread(embeddings.embed_documents, texts)
    assert [len(row) for row in rows] == [8] * 300
    assert rows[7] == (await embeddings.aembed_documents(["text 7"]))[0]
    await embeddings.aclose()


def test_each_event_loop_can_use_it() -> None:
    """``asyncio.run`` twice is two loops, one after the other; threads may have loops at the same time."""
    embeddings = AembedEmbeddings("mock")
    first, second = (asyncio.run(embeddings.aembed_query("a")) for _ in range(2))
    assert first == second
    barrier, rows = threading.Barrier(2), []

    async def meet() -> list[float]:
        await embeddings.aembed_query("b")
        await asyncio.to_thread(barrier.wait)
        return await embeddings.aembed_query("a")

    together = [threading.Thread(target=lambda: rows.append(asyncio.run(meet()))) for _ in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert rows == [first, first]
    asyncio.run(embeddings.aclose())


async def test_a_query_has_one_row_and_closing_ends_both_sides() -> None:
    embeddings = AembedEmbeddings("mock", dimensions=4)
    assert repr(embeddings) == "AembedEmbeddings('mock')"
    assert len(embeddings.embed_query("a")) == len(await embeddings.aembed_query("a")) == 4
    blocking, here = embeddings._embedders.opened_blocking(), await embeddings._embedders.opened()
    assert isinstance(here, aembed.Embedder)
    embeddings.close()
    with pytest.raises(aembed.ClosedError):
        blocking.embed_query("a")
    await here.embed_query("a")
    await embeddings.aclose()
    with pytest.raises(aembed.ClosedError):
        await here.embed_query("a")


async def test_an_open_embedder_shares_its_quota_and_stays_open() -> None:
    async with aembed.new_embedder("mock") as embedder:
        embeddings = AembedEmbeddings(embedder)
        await embeddings.aembed_query("a")
        await asyncio.to_thread(embeddings.embed_query, "b")
        assert embedder.statistics().requests == 2
        with pytest.raises(aembed.EventLoopError, match="call the async method"):
            embeddings.embed_query("c")
        await embeddings.aclose()
        await embedder.embed_query("d")


async def test_a_sync_embedder_serves_both_sides() -> None:
    with aembed.SyncEmbedder("mock") as embedder:
        embeddings = AembedEmbeddings(embedder)
        assert await embeddings.aembed_query("a") == await asyncio.to_thread(embeddings.embed_query, "a")
        assert embedder.statistics().requests == 2


def test_errors_of_aembed_pass_through() -> None:
    embeddings = AembedEmbeddings("mock")
    with pytest.raises(aembed.InputError) as caught:
        embeddings.embed_documents(["a", " "])
    assert caught.value.index == 1
    embeddings.close()
    with pytest.raises(aembed.ConfigError, match="give 'provider:model', a profile's name or an Embedder"):
        AembedEmbeddings(7)  # type: ignore[arg-type]
