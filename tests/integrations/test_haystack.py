"""Haystack pipelines with its in-memory store and aembed's local model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("haystack", reason="needs the extra haystack")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret

import aembed
from aembed.integrations.haystack import AembedDocumentEmbedder, AembedTextEmbedder
from aembed.testing import ScriptedProvider
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls

SPEC = aembed.ModelSpec(name="s", provider="scripted", dim=4)


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


@pytest.mark.parametrize("wrong", ["text", "", ["text"], [Document(content="a"), "text"]], ids=str)
def test_texts_are_no_documents(wrong: Any) -> None:
    with pytest.raises(TypeError, match="for a text, use AembedTextEmbedder"):
        AembedDocumentEmbedder("mock").run(wrong)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (Document(content="body", meta={"title": "t", "year": 7}), "t / 7 / body"),
        (Document(content="body", meta={"title": None}), "body"),
        (Document(content=None, meta={"title": "t"}), "t / "),
    ],
    ids=["both", "no title", "no content"],
)
def test_a_document_is_embedded_with_the_fields_that_it_has(document: Document, text: str) -> None:
    documents = AembedDocumentEmbedder("mock", meta_fields_to_embed=["title", "year"], embedding_separator=" / ")
    query = AembedTextEmbedder("mock", options={"dimensions": 4})
    with aembed.SyncEmbedder("mock") as reference:
        (row,) = reference.embed_documents([text]).tolist()
    assert documents.run([document])["documents"][0].embedding == row
    assert AembedDocumentEmbedder("mock").meta_fields_to_embed == []
    assert len(query.run("a")["embedding"]) == 4
    documents.close()
    query.close()


@pytest.mark.parametrize(("tokens", "told"), [(7, 7), (None, 0)])
async def test_usage_is_that_of_the_provider(tokens: int | None, told: int) -> None:
    reply = aembed.Reply(np.full((1, 4), 0.5, np.float32), tokens)
    async with aembed.new_embedder(ScriptedProvider([reply], spec=SPEC)) as embedder:
        answer = await AembedTextEmbedder(embedder).run_async("a")
    assert answer["meta"] == {"model": "scripted:s", "usage": {"prompt_tokens": told, "total_tokens": told}}


@pytest.mark.parametrize("kind", [AembedTextEmbedder, AembedDocumentEmbedder])
async def test_warmed_up_the_model_is_open_until_it_is_closed(kind: Any) -> None:
    component = kind("mock")
    component.warm_up()
    await component.warm_up_async()
    embedders = component._embedding.embedders
    blocking, (here,) = embedders._blocking, (place.embedder for place in embedders._on_loops)
    assert await here.embed_query("a") is not None
    assert blocking.embed_query("a") is not None
    component.close()
    with pytest.raises(aembed.ClosedError):
        blocking.embed_query("a")
    await component.close_async()
    with pytest.raises(aembed.ClosedError):
        await here.embed_query("a")


def test_a_key_is_read_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    component = AembedTextEmbedder("openai", api_key=Secret.from_env_var("THE_KEY"), options={"dimensions": 8})
    monkeypatch.setenv("THE_KEY", "sk-later")
    embedders = component._embedding.embedders
    assert embedders._options == {"dimensions": 8, "api_key": "sk-later"}
    assert component._embedding.embedders is embedders
    assert AembedTextEmbedder("openai")._embedding.embedders._options == {}
