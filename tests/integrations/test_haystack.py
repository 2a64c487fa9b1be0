"""Haystack pipelines with its in-memory store and aembed's local model."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("haystack", reason="needs the extra haystack")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret

import aembed
from aembed.integrations.haystack import AembedDocumentEmbedder, AembedTextEmbedder
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls


def test_retrieval_through_a_pipeline() -> None:
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    documents = AembedDocumentEmbedder("local")
    store.write_documents(documents.run([Document(content=text) for text in DOCUMENTS])["documents"])
    pipeline = Pipeline()
    query = AembedTextEmbedder("local")
    pipeline.add_component("query", query)
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(document_store=store, top_k=1))
    pipeline.connect("query.embedding", "retriever.query_embedding")
    for question, answer in QUESTIONS.items():
        found = pipeline.run({"query": {"text": question}})["retriever"]["documents"]
        assert found[0].content == answer
    documents.close()
    query.close()


async def test_async_runs_keep_kind_order_and_usage() -> None:
    calls = Calls()
    documents = AembedDocumentEmbedder(
        "mock", options={"on_event": calls}, meta_fields_to_embed=["title"], embedding_separator=" | "
    )
    given = [Document(content=f"text {number}", meta={"title": "t"}) for number in range(40)]
    answer = await documents.run_async(given)
    async with aembed.new_embedder("mock") as reference:
        expected = await reference.embed([f"t | text {number}" for number in range(40)])
    assert [document.embedding for document in answer["documents"]] == expected.vectors.tolist()
    assert answer["meta"]["usage"]["total_tokens"] == expected.usage.tokens
    assert all(document.embedding is None for document in given)
    query = AembedTextEmbedder("mock", options={"on_event": calls})
    assert (await query.run_async("a"))["embedding"]
    assert calls.seen == [("document", 40), ("query", 1)]
    await documents.close_async()
    await query.close_async()


async def test_an_async_pipeline() -> None:
    pipeline = Pipeline()
    pipeline.add_component("query", AembedTextEmbedder("mock"))
    answer = await pipeline.run_async({"query": {"text": "a"}})
    assert len(answer["query"]["embedding"]) == 128
    await pipeline.get_component("query").close_async()


def test_pipelines_are_saved_without_a_key() -> None:
    key = Secret.from_env_var("OPENAI_API_KEY")
    pipeline = Pipeline()
    pipeline.add_component("query", AembedTextEmbedder("openai", api_key=key, options={"dimensions": 256}))
    pipeline.add_component("documents", AembedDocumentEmbedder("mock", meta_fields_to_embed=["title"]))
    saved = pipeline.dumps()
    again = Pipeline.loads(saved, allowed_modules=["aembed.integrations.haystack"])
    assert again.dumps() == saved
    assert again.get_component("query").to_dict()["init_parameters"]["options"] == {"dimensions": 256}
    with pytest.raises(aembed.ConfigError, match="api_key cannot be saved"):
        AembedTextEmbedder("openai", options={"api_key": "sk-secret"}).to_dict()
    with pytest.raises(ValueError, match="Cannot serialize token-based secret"):
        json.dumps(AembedTextEmbedder("openai", api_key=Secret.from_token("sk-secret")).to_dict())


def test_a_text_is_no_list_of_documents() -> None:
    with pytest.raises(TypeError, match="for a text, use AembedTextEmbedder"):
        AembedDocumentEmbedder("mock").run("text")
