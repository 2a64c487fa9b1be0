"""Every HTTP provider keeps the contract, against a server that was written from the documentation apart from it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from pydantic import SecretStr

from aembed import EmbedderFactory, Provider, Registry, Source, TextTooLongError
from aembed._settings.http import HttpSettings
from aembed._wire.http import HttpTransport
from aembed.testing import LoopbackServer, Quirks
from tests.contract import RULES, TEXTS, Rule

KEY = "key-for-tests"


@dataclass(frozen=True)
class Served:
    """A model of a provider, as the provider's own catalogue has it."""

    model: str | None
    dim: int


MODELS = {
    "openai": Served("text-embedding-3-small", 1536),
    "azure": Served("deployment", 1536),
    "cohere": Served("embed-v4.0", 1536),
    "google": Served("gemini-embedding-001", 3072),
    "jina": Served("jina-embeddings-v3", 1024),
    "mistral": Served("mistral-embed", 1024),
    "ollama": Served("all-minilm", 384),
    "tei": Served(None, 384),
    "voyage": Served("voyage-3.5", 1024),
}

QUIRKS = {
    "as documented": Quirks(),
    "numbers for base64": Quirks(always_floats=True),
    "shuffled, mixed, spaced": Quirks(shuffled=True, mixed=True, spaced=True, escaped_slashes=True, no_usage=True),
}

Open = Callable[[], Awaitable[Provider]]


@asynccontextmanager
async def served(provider: str, quirks: Quirks) -> AsyncGenerator[Open]:
    """A server for the test, and how its providers are opened. Not a fixture: the guard against leaks looks earlier."""
    transport = HttpTransport(HttpSettings())
    with LoopbackServer(provider, dim=MODELS[provider].dim, api_key=KEY, quirks=quirks) as server:
        source = Source(
            provider=provider,
            model=MODELS[provider].model,
            base_url=server.base_url,
            api_key=SecretStr(KEY),
            open_transport=lambda: transport,
        )

        async def open_it() -> Provider:
            return await Registry().get(provider)(source)

        try:
            yield open_it
        finally:
            await transport.aclose()


everyone = pytest.mark.parametrize("provider", MODELS)
every_quirk = pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())


@everyone
@every_quirk
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_contract(rule: Rule, provider: str, quirks: Quirks) -> None:
    async with served(provider, quirks) as open_provider:
        await rule(open_provider)


@everyone
@every_quirk
async def test_vectors_arrive_to_the_bit(provider: str, quirks: Quirks) -> None:
    model, dim = MODELS[provider].model, MODELS[provider].dim
    name = provider if model is None else f"{provider}:{model}"
    async with LoopbackServer(provider, dim=dim, quirks=quirks) as server, EmbedderFactory() as factory:
        embedder = await factory.new_embedder(name, base_url=server.base_url, api_key=KEY, batch_size=4)
        expected = await (await factory.new_embedder("mock", dimensions=dim)).embed_documents(TEXTS)
        result = await embedder.embed(TEXTS)
        np.testing.assert_array_equal(result.vectors, expected)
        assert result.usage.tokens == (None if quirks.no_usage else server.counters.tokens)
        assert {entry.reason for entry in server.log} == {""}


async def test_google_decides_which_texts_are_too_long() -> None:
    """It cuts them and does not say so, but for the tokens that it counts."""
    long, fits = "word " * 3000, "letters " * 1300  # four characters a token for the loopback
    async with LoopbackServer("google", dim=3072) as server, EmbedderFactory() as factory:
        strict = await factory.new_embedder("google", base_url=server.base_url, api_key=KEY)
        with pytest.raises(TextTooLongError) as caught:
            await strict.embed_documents(["short", long])
        assert caught.value.index == 1
        assert (await strict.embed([fits[:8187]])).ok
        cutting = await factory.new_embedder("google", base_url=server.base_url, api_key=KEY, overlong="truncate")
        assert (await cutting.embed(["short", long])).truncated == (1,)
