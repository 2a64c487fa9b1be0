"""Facts that need no request are known, and impossible settings are rejected before any request, with the way out."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._errors import ConfigError, MissingKeyError
from tests.provider_requests import opened
from tests.wire.fake import Fake

HERE = "http://localhost:9000"


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("cohere", "CO_API_KEY"),
        ("voyage", "VOYAGE_API_KEY"),
        ("google", "GEMINI_API_KEY"),
        ("mistral", "MISTRAL_API_KEY"),
        ("jina", "JINA_API_KEY"),
    ],
)
async def test_a_missing_key(name: str, variable: str) -> None:
    with pytest.raises(MissingKeyError, match=f"{name} needs an api_key.*{variable}"):
        await opened(Fake([]), name, key=None)


@pytest.mark.parametrize("key", ["two words", "sk-1\n", "schlüssel-zum-glück", ""])
async def test_values_that_cannot_be_a_key(key: str) -> None:
    with pytest.raises(ConfigError, match="api_key") as caught:
        await opened(Fake([]), "openai", key=key)
    assert not key or key not in str(caught.value)


REJECTED: list[tuple[str, dict[str, Any], str]] = [
    ("azure", {"base_url": HERE}, "name the model: 'azure:DEPLOYMENT'"),
    ("azure:d", {}, "base_url.*https://NAME.openai.azure.com"),
    ("azure:d", {"key": None, "base_url": HERE}, "azure needs an api_key.*AZURE_OPENAI_API_KEY"),
    ("azure:d", {"base_url": HERE, "options": {"api_version": ""}}, "api_version is empty"),
    ("azure:d", {"base_url": HERE, "options": {"apiversion": "1"}}, "did you mean 'api_version'"),
    (
        "azure:d",
        {"base_url": HERE, "options": {"model": "text-embedding-3"}},
        "unknown model 'text-embedding-3'.*did you",
    ),
    (
        "azure:d",
        {"base_url": HERE, "dimensions": 2000, "options": {"model": "text-embedding-3-small"}},
        "d has 1 to 1536, not 2000",
    ),
    ("ollama", {}, "name the model: 'ollama:nomic-embed-text'"),
    ("ollama:m", {"options": {"keepalive": "1m"}}, "did you mean 'keep_alive'"),
    ("openai", {"base_url": HERE}, "name the model"),
    ("openai", {"dimensions": 1537}, "text-embedding-3-small has 1 to 1536, not 1537"),
    ("openai:text-embedding-ada-002", {"dimensions": 256}, "always has 1536, not 256; leave dimensions out"),
    ("openai", {"options": {"query_promt": "q: "}}, "did you mean 'query_prompt'"),
    ("cohere", {"dimensions": 300}, "embed-v4.0 has 256, 512, 1024 or 1536, not 300"),
    ("cohere:embed-english-v3.0", {"dimensions": 256}, "always has 1024"),
    ("cohere", {"options": {"input_type": "search"}}, "input_type"),
    ("voyage", {"dimensions": 768}, "voyage-4 has 256, 512, 1024 or 2048, not 768"),
    ("voyage", {"options": {"inputtype": "query"}}, "did you mean 'input_type'"),
    ("google", {"dimensions": 64}, "gemini-embedding-001 has 128 to 3072, not 64"),
    ("google", {"options": {"task": "retrieve"}}, "task"),
    ("mistral", {"dimensions": 256}, "mistral-embed always has 1024"),
    ("mistral:codestral-embed", {"dimensions": 3073}, "has 1 to 3072"),
    ("mistral", {"options": {"task": "x"}}, "mistral has no provider_options, but got task"),
    ("jina:jina-embeddings-v4", {"dimensions": 64}, "has 128, 256, 512, 1024 or 2048"),
    ("jina", {"options": {"tasks": "x"}}, r"did you mean 'task'\? \(provider_options of jina\)$"),
    ("tei", {"options": {"prompt_name": "query"}}, r"unknown option 'prompt_name'.*\(provider_options of tei\)$"),
]


@pytest.mark.parametrize(("name", "settings", "says"), REJECTED)
async def test_settings_rejected_before_any_request(name: str, settings: dict[str, Any], says: str) -> None:
    fake = Fake([])
    with pytest.raises(ConfigError, match=says):
        await opened(fake, name, **settings)
    assert fake.asked == []


SPECS: list[tuple[str, dict[str, Any], int | None, int, float | None]] = [
    ("openai", {}, 1536, 2048, 0.02),
    ("openai:text-embedding-3-large", {"dimensions": 256}, 256, 2048, 0.13),
    ("openai:new", {}, None, 2048, None),
    ("openai:m", {"base_url": HERE}, None, 128, None),
    ("openai", {"base_url": "https://eu.api.openai.com/v1"}, 1536, 2048, 0.02),
    ("voyage", {"base_url": "https://ai.mongodb.com/v1"}, 1024, 1000, 0.06),
    ("azure:d", {"base_url": HERE}, None, 2048, None),
    ("azure:d", {"base_url": HERE, "options": {"model": "text-embedding-3-large"}}, 3072, 2048, None),
    ("ollama:m", {}, None, 64, None),
    ("cohere", {}, 1536, 96, 0.12),
    ("cohere:embed-v5.0-fast", {}, 2048, 96, 0.08),
    ("cohere:embed-multilingual-light-v3.0", {"dimensions": 384}, 384, 96, None),
    ("voyage", {}, 1024, 1000, 0.06),
    ("google", {}, 3072, 100, 0.15),
    ("mistral", {}, 1024, 256, 0.10),
    ("mistral:codestral-embed", {}, 1536, 256, 0.15),
    ("jina", {}, 1024, 2048, None),
    ("jina:jina-embeddings-v4", {}, 2048, 512, None),
    ("voyage:voyage-3-lite", {}, 512, 1000, 0.02),
    ("voyage:voyage-code-2", {}, 1536, 1000, 0.12),
    ("voyage:voyage-2", {}, 1024, 1000, 0.10),
    ("jina:jina-embeddings-v5-omni-small", {}, 1024, 2048, None),
    ("google:gemini-embedding-2-preview", {}, None, 100, None),  # it was shut down
    ("tei", {}, None, 32, None),
]


@pytest.mark.parametrize(("name", "settings", "dim", "texts", "price"), SPECS)
async def test_known_models(
    name: str, settings: dict[str, Any], dim: int | None, texts: int, price: float | None
) -> None:
    fake = Fake([])
    spec = (await opened(fake, name, **settings)).spec
    assert (spec.dim, spec.max_batch_texts, spec.price) == (dim, texts, price)
    assert spec.provider == name.partition(":")[0]
    assert fake.asked == []


async def test_caps_by_model() -> None:
    caps = {
        "voyage:voyage-4-large": 120_000,
        "voyage:voyage-4": 320_000,
        "voyage:voyage-4-lite": 1_000_000,
        "voyage:new": 120_000,
        "openai": 300_000,
        "mistral": 16_384,
    }
    for name, tokens in caps.items():
        assert (await opened(Fake([]), name)).spec.max_batch_tokens == tokens
    lengths = {"google": 2048, "google:gemini-embedding-2": 8192, "voyage:voyage-law-2": 16_000, "openai": 8192}
    for name, tokens in lengths.items():
        assert (await opened(Fake([]), name)).spec.max_text_tokens == tokens
