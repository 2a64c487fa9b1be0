"""LlamaIndex with its in-memory store and aembed's local model."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra llama-index")

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode

import aembed
from aembed.integrations.llama_index import AembedEmbedding
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls

NODES = [TextNode(text=text) for text in DOCUMENTS]


def test_retrieval_through_its_own_index() -> None:
    model = AembedEmbedding("local")
    index = VectorStoreIndex(nodes=copy.deepcopy(NODES), embed_model=model)
    retriever = index.as_retriever(similarity_top_k=1)
    for question, answer in QUESTIONS.items():
        assert retriever.retrieve(question)[0].get_content() == answer
    model.close()


async def test_retrieval_from_async_code() -> None:
    calls = Calls()
    model = AembedEmbedding("local", on_event=calls)
    nodes = copy.deepcopy(NODES)
    await model.acall(nodes)
    index = VectorStoreIndex(nodes=nodes, embed_model=model)
    retriever = index.as_retriever(similarity_top_k=1)
    for question, answer in QUESTIONS.items():
        assert (await retriever.aretrieve(question))[0].get_content() == answer
    assert calls.seen == [("document", 4)] + [("query", 1)] * 3
    await model.aclose()


async def test_a_corpus_is_a_few_calls_in_order() -> None:
    """LlamaIndex cuts it into pieces of ten unless the model says otherwise."""
    calls = Calls()
    model = AembedEmbedding("mock", dimensions=8, on_event=calls, provider_options={"max_batch_texts": 4096})
    texts = [f"text {number}" for number in range(3000)]
    rows = await model.aget_text_embedding_batch(texts)
    assert sorted(calls.seen) == [("document", 952), ("document", 2048)]
    assert rows[2500] == await model.aget_text_embedding("text 2500")
    assert rows[:5] == model.get_text_embedding_batch(texts[:5])
    await model.aclose()


async def test_each_method_gives_the_row_of_its_text() -> None:
    calls = Calls()
    model = AembedEmbedding("mock", dimensions=4, on_event=calls)
    query, text = model.get_query_embedding("a"), model.get_text_embedding("a")
    assert (query, text) == (await model.aget_query_embedding("a"), await model.aget_text_embedding("a"))
    assert [len(row) for row in (query, text)] == [4, 4]
    assert calls.seen == [("query", 1), ("document", 1)] * 2
    await model.aclose()


async def test_closing_ends_both_sides() -> None:
    model = AembedEmbedding("mock")
    blocking, here = model._embedders.opened_blocking(), await model._embedders.opened()
    assert isinstance(here, aembed.Embedder)
    model.close()
    with pytest.raises(aembed.ClosedError):
        blocking.embed_query("a")
    await here.embed_query("a")
    await model.aclose()
    with pytest.raises(aembed.ClosedError):
        await here.embed_query("a")


def test_options_may_be_keywords_or_a_mapping_beside_fields_of_llama_index() -> None:
    model = AembedEmbedding("mock", options={"dimensions": 8}, batch_size=5, embed_batch_size=7, num_workers=3)
    assert model._embedders.saved_options() == {"dimensions": 8, "batch_size": 5}
    assert (model.embed_batch_size, model.num_workers) == (7, 3)
    assert AembedEmbedding("mock").options == {}


@pytest.mark.parametrize(
    ("given", "name", "saved"),
    [
        ({}, "default", None),
        ({"model_name": "default"}, "default", None),
        ({"model_name": "mock"}, "mock", "mock"),
        ({"model": "mock", "model_name": "another"}, "mock", "mock"),
    ],
    ids=str,
)
def test_a_model_has_the_name_under_which_it_is_saved(given: dict[str, Any], name: str, saved: str | None) -> None:
    model = AembedEmbedding(**given)
    assert (model.model_name, model._embedders.saved_model()) == (name, saved)


def test_it_is_saved_without_a_key() -> None:
    model = AembedEmbedding("openai:text-embedding-3-small", api_key="sk-secret", dimensions=256)
    saved = json.dumps([model.to_dict(), model.to_payload(), repr(model), model.to_json()])
    assert "sk-secret" not in saved
    again = AembedEmbedding.from_dict(model.to_dict())
    assert (again.model_name, again.options) == ("openai:text-embedding-3-small", {"dimensions": 256})
    assert again.embed_batch_size == 2048


def test_a_copy_shares_the_open_embedder() -> None:
    model = AembedEmbedding("mock")
    again = copy.deepcopy(model)
    assert again.get_query_embedding("a") == model.get_query_embedding("a")
    assert again._embedders is model._embedders
    model.close()
