"""Pydantic AI's Embedder over aembed."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pydantic_ai", reason="needs the extra pydantic-ai")

import pydantic_ai
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

import aembed
from aembed.integrations.pydantic_ai import AembedEmbeddingModel
from tests.integrations.corpus import DOCUMENTS, QUESTIONS, Calls


async def test_retrieval() -> None:
    model = AembedEmbeddingModel("local")
    embedder = pydantic_ai.Embedder(model)
    documents = np.array((await embedder.embed_documents(DOCUMENTS)).embeddings)
    for question, answer in QUESTIONS.items():
        query = np.array((await embedder.embed_query(question)).embeddings[0])
        assert DOCUMENTS[int(np.argmax(documents @ query))] == answer
    await model.aclose()


async def test_kind_usage_names_and_order_are_those_of_aembed() -> None:
    calls = Calls()
    model = AembedEmbeddingModel("mock", on_event=calls)
    openai = AembedEmbeddingModel("openai:text-embedding-3-small")
    assert (openai.system, openai.model_name) == ("openai", "text-embedding-3-small")
    embedder = pydantic_ai.Embedder(model)
    result = await embedder.embed_documents(["one two", "three"])
    async with aembed.new_embedder("mock") as reference:
        expected = await reference.embed(["one two", "three"])
    assert (result.provider_name, result.model_name) == (reference.spec.provider, reference.spec.name)
    assert result.usage.input_tokens == expected.usage.tokens
    np.testing.assert_allclose(result.embeddings, expected.vectors)
    assert (await embedder.embed_query("four")).input_type == "query"
    assert calls.seen == [("document", 2), ("query", 1)]
    await model.aclose()


async def test_settings_open_the_model_as_asked() -> None:
    model = AembedEmbeddingModel("mock", settings={"dimensions": 16})
    assert len((await model.embed("a", input_type="query")).embeddings[0]) == 16
    assert len((await model.embed("a", input_type="query", settings={"dimensions": 4})).embeddings[0]) == 4
    await model.aclose()


async def test_limits_and_tokens_are_reported() -> None:
    model = AembedEmbeddingModel("local")
    assert await model.max_input_tokens() == 256
    assert await model.count_tokens("a cat") == 4
    await model.aclose()


@pytest.mark.parametrize(("kind", "expected"), [("authentication", ModelHTTPError), ("timeout", ModelAPIError)])
async def test_failures_are_those_of_the_framework(kind: str, expected: type[Exception]) -> None:
    failing = {"error_rate": 1.0, "error_kinds": [kind]}
    retry = aembed.RetryPolicy(max_attempts=1)
    model = AembedEmbeddingModel("mock", provider_options=failing, retry=retry)
    with pytest.raises(expected) as caught:
        await model.embed("a", input_type="query")
    assert isinstance(caught.value.__cause__, aembed.ProviderError)
    await model.aclose()


async def test_an_open_embedder_has_one_dimension() -> None:
    async with aembed.new_embedder("mock") as embedder:
        model = AembedEmbeddingModel(embedder)
        assert (await model.embed("a", input_type="query")).model_name == "mock"
        with pytest.raises(aembed.ConfigError, match=r"takes no settings; give dimensions"):
            await model.embed("a", input_type="query", settings={"dimensions": 4})
