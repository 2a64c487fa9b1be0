"""Pydantic AI's Embedder over aembed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("pydantic_ai", reason="needs the extra pydantic-ai")

import pydantic_ai
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError

import aembed
from aembed.integrations.pydantic_ai import AembedEmbeddingModel, _open_options
from aembed.testing import ScriptedProvider
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


async def test_each_combination_of_settings_opens_the_model_once() -> None:
    model = AembedEmbeddingModel("mock", batch_size=3)
    wanted: list[Any] = [None, {}, {"dimensions": 4}, {"dimensions": 4}, {"truncate": False}, {"dimensions": 5}]
    for settings in wanted:
        await model.embed("a", input_type="query", settings=settings)
    assert len(model._embedders) == 3
    opened = [await embedders.opened() for embedders in model._embedders.values()]
    assert [embedder.dimension for embedder in opened] == [128, 4, 5]
    assert [embedders.saved_options()["batch_size"] for embedders in model._embedders.values()] == [3] * 3
    await model.aclose()
    for embedder in opened:
        assert isinstance(embedder, aembed.Embedder)
        with pytest.raises(aembed.ClosedError):
            await embedder.embed_query("a")


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {}),
        ({"dimensions": None, "truncate": False, "extra_headers": {}}, {}),
        ({"dimensions": 4}, {"dimensions": 4}),
        ({"truncate": True}, {"overlong": "truncate"}),
        ({"extra_headers": {"a": "b"}}, {"headers": {"a": "b"}}),
    ],
    ids=str,
)
def test_settings_of_the_framework_are_options_of_aembed(settings: Any, options: dict[str, Any]) -> None:
    assert _open_options(settings) == options


@pytest.mark.parametrize(
    ("model", "names"),
    [("openai:small", ("openai", "small")), ("search", ("aembed", "search")), (None, ("aembed", "default"))],
)
def test_a_name_is_that_of_a_provider_and_its_model_or_of_a_profile(model: str | None, names: tuple[str, str]) -> None:
    made = AembedEmbeddingModel(model)
    assert (made.system, made.model_name) == names
    assert repr(made) == f"AembedEmbeddingModel({names[1]!r})"


@pytest.mark.parametrize(("tokens", "told"), [(7, 7), (None, 0)])
async def test_usage_is_that_of_the_provider(tokens: int | None, told: int) -> None:
    spec = aembed.ModelSpec(name="s", provider="scripted", dim=4)
    reply = aembed.Reply(np.full((1, 4), 0.5, np.float32), tokens)
    async with aembed.new_embedder(ScriptedProvider([reply], spec=spec)) as embedder:
        result = await AembedEmbeddingModel(embedder).embed("a", input_type="query")
    assert result.usage.input_tokens == told


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
