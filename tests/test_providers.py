"""Requests, exactly as each provider documents them: for documents and queries, with and without dimensions."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._registry import Registry
from aembed._types import Kind, Provider
from tests.wire.fake import Fake, answer

KEY = "sk-made-up-0123456789"
BEARER = {"Authorization": f"Bearer {KEY}"}
TEXTS = ["one", "two"]


async def opened(fake: Fake, name: str, **settings: Any) -> Provider:
    source = fake.source(name, **settings)
    return await Registry().get(source.provider)(source)


async def asked(name: str, kind: Kind = "document", **settings: Any) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The URL, the body and the headers of the first request, whether it succeeds or not."""
    fake = Fake([answer({}, 500)])
    provider = await opened(fake, name, **settings)
    with pytest.raises(Exception, match="rejected"):
        await provider.embed(TEXTS, kind=kind)
    assert KEY not in fake.urls[0]
    return fake.urls[0], fake.asked[0], fake.headers[0]


def retrieval(model: str, kind: str, **more: Any) -> dict[str, Any]:
    parts = [{"content": {"parts": [{"text": text}]}} for text in TEXTS]
    return {"requests": [{"model": f"models/{model}", "taskType": kind, **more, **part} for part in parts]}


REQUESTS: list[tuple[str, Kind, dict[str, Any], str, dict[str, Any]]] = [
    (
        "openai:text-embedding-3-large",
        "document",
        {},
        "https://api.openai.com/v1/embeddings",
        {"model": "text-embedding-3-large", "input": TEXTS, "encoding_format": "base64"},
    ),
    (
        "openai",
        "query",
        {"dimensions": 256},
        "https://api.openai.com/v1/embeddings",
        {"model": "text-embedding-3-small", "input": TEXTS, "encoding_format": "base64", "dimensions": 256},
    ),
    (
        "openai:e5",
        "query",
        {"base_url": "http://localhost:8000/v1/", "options": {"query_prompt": "query: "}},
        "http://localhost:8000/v1/embeddings",
        {"model": "e5", "input": ["query: one", "query: two"], "encoding_format": "base64"},
    ),
    (
        "azure:my deployment",
        "document",
        {"base_url": "https://mine.openai.azure.com", "dimensions": 256},
        "https://mine.openai.azure.com/openai/deployments/my%20deployment/embeddings?api-version=2024-10-21",
        {"input": TEXTS, "encoding_format": "base64", "dimensions": 256},
    ),
    (
        "azure:d",
        "query",
        {"base_url": "https://mine.openai.azure.com/openai/", "options": {"api_version": "2025-04-01-preview"}},
        "https://mine.openai.azure.com/openai/deployments/d/embeddings?api-version=2025-04-01-preview",
        {"input": TEXTS, "encoding_format": "base64"},
    ),
    (
        "azure:d",
        "query",
        {"base_url": "https://mine.openai.azure.com/openai/v1/"},
        "https://mine.openai.azure.com/openai/v1/embeddings",
        {"model": "d", "input": TEXTS, "encoding_format": "base64"},
    ),
    (
        "ollama:all-minilm",
        "document",
        {},
        "http://localhost:11434/api/embed",
        {"model": "all-minilm", "input": TEXTS, "truncate": False},
    ),
    (
        "ollama:nomic-embed-text",
        "query",
        {
            "dimensions": 256,
            "options": {"query_prompt": "search_query: ", "keep_alive": "10m", "num_ctx": 8192},
        },
        "http://localhost:11434/api/embed",
        {
            "model": "nomic-embed-text",
            "input": ["search_query: one", "search_query: two"],
            "truncate": False,
            "dimensions": 256,
            "keep_alive": "10m",
            "options": {"num_ctx": 8192},
        },
    ),
    (
        "cohere",
        "document",
        {},
        "https://api.cohere.com/v2/embed",
        {
            "model": "embed-v4.0",
            "texts": TEXTS,
            "input_type": "search_document",
            "embedding_types": ["base64"],
            "truncate": "NONE",
        },
    ),
    (
        "cohere:embed-v5.0-pro",
        "query",
        {"dimensions": 768},
        "https://api.cohere.com/v2/embed",
        {
            "model": "embed-v5.0-pro",
            "texts": TEXTS,
            "input_type": "search_query",
            "embedding_types": ["base64"],
            "truncate": "NONE",
            "output_dimension": 768,
        },
    ),
    (
        "cohere:embed-v9",
        "query",
        {"options": {"input_type": "clustering"}},
        "https://api.cohere.com/v2/embed",
        {
            "model": "embed-v9",
            "texts": TEXTS,
            "input_type": "clustering",
            "embedding_types": ["float"],
            "truncate": "NONE",
        },
    ),
    (
        "voyage",
        "document",
        {},
        "https://api.voyageai.com/v1/embeddings",
        {
            "model": "voyage-4",
            "input": TEXTS,
            "truncation": False,
            "input_type": "document",
            "encoding_format": "base64",
        },
    ),
    (
        "voyage:voyage-4-large",
        "query",
        {"dimensions": 2048},
        "https://api.voyageai.com/v1/embeddings",
        {
            "model": "voyage-4-large",
            "input": TEXTS,
            "truncation": False,
            "input_type": "query",
            "encoding_format": "base64",
            "output_dimension": 2048,
        },
    ),
    (
        "voyage",
        "query",
        {"options": {"input_type": "none"}},
        "https://api.voyageai.com/v1/embeddings",
        {"model": "voyage-4", "input": TEXTS, "truncation": False, "encoding_format": "base64"},
    ),
    (
        "google",
        "document",
        {},
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
        retrieval("gemini-embedding-001", "RETRIEVAL_DOCUMENT"),
    ),
    (
        "google:models/gemini-embedding-001",
        "query",
        {"dimensions": 768},
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
        retrieval("gemini-embedding-001", "RETRIEVAL_QUERY", outputDimensionality=768),
    ),
    (
        "google",
        "document",
        {"options": {"task": "clustering"}},
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents",
        retrieval("gemini-embedding-001", "CLUSTERING"),
    ),
    (
        "mistral",
        "query",
        {},
        "https://api.mistral.ai/v1/embeddings",
        {"model": "mistral-embed", "input": TEXTS, "encoding_format": "base64"},
    ),
    (
        "mistral:codestral-embed",
        "document",
        {"dimensions": 3072},
        "https://api.mistral.ai/v1/embeddings",
        {"model": "codestral-embed", "input": TEXTS, "encoding_format": "base64", "output_dimension": 3072},
    ),
    (
        "jina",
        "document",
        {},
        "https://api.jina.ai/v1/embeddings",
        {
            "model": "jina-embeddings-v3",
            "input": TEXTS,
            "truncate": False,
            "normalized": True,
            "task": "retrieval.passage",
            "embedding_type": "base64",
        },
    ),
    (
        "jina:jina-embeddings-v4",
        "query",
        {"dimensions": 512, "options": {"task": "code"}},
        "https://api.jina.ai/v1/embeddings",
        {
            "model": "jina-embeddings-v4",
            "input": TEXTS,
            "truncate": False,
            "normalized": True,
            "task": "code.query",
            "embedding_type": "base64",
            "dimensions": 512,
        },
    ),
    (
        "jina:jina-embeddings-v2-base-en",
        "query",
        {},
        "https://api.jina.ai/v1/embeddings",
        {
            "model": "jina-embeddings-v2-base-en",
            "input": TEXTS,
            "truncate": False,
            "normalized": True,
            "embedding_type": "base64",
        },
    ),
    (
        "tei",
        "document",
        {},
        "http://localhost:8080/embed",
        {"inputs": TEXTS, "truncate": False, "normalize": True},
    ),
    (
        "tei:e5",
        "query",
        {"dimensions": 256, "options": {"query_prompt_name": "query", "normalize": False}},
        "http://localhost:8080/embed",
        {"inputs": TEXTS, "truncate": False, "normalize": False, "prompt_name": "query", "dimensions": 256},
    ),
]


@pytest.mark.parametrize(("name", "kind", "settings", "url", "body"), REQUESTS)
async def test_request(name: str, kind: Kind, settings: dict[str, Any], url: str, body: dict[str, Any]) -> None:
    assert (await asked(name, kind, **settings))[:2] == (url, body)


URLS = [
    ("openai:m", "http://localhost:8000/v1/embeddings", "http://localhost:8000/v1/embeddings"),
    ("openai:m", "http://localhost:8000//v1//", "http://localhost:8000/v1/embeddings"),
    ("openai:m", "http://localhost:8000/embeddings/", "http://localhost:8000/embeddings"),
    ("openai:m", "http://localhost:8000/api/v3", "http://localhost:8000/api/v3/embeddings"),
    ("openai", "https://api.openai.com", "https://api.openai.com/v1/embeddings"),
    ("openai", "https://eu.api.openai.com/v1", "https://eu.api.openai.com/v1/embeddings"),
    ("openai", "https://eu.api.openai.com/", "https://eu.api.openai.com/v1/embeddings"),
    ("cohere", "https://api.cohere.com", "https://api.cohere.com/v2/embed"),
    ("cohere", "http://localhost:8000/v2/embed", "http://localhost:8000/v2/embed"),
    ("mistral", "https://api.mistral.ai/v1/embeddings", "https://api.mistral.ai/v1/embeddings"),
    ("jina", "https://api.jina.ai", "https://api.jina.ai/v1/embeddings"),
    ("voyage", "https://ai.mongodb.com", "https://ai.mongodb.com/v1/embeddings"),
    ("ollama:m", "http://localhost:11434/api/embed", "http://localhost:11434/api/embed"),
    ("ollama:m", "http://localhost:11434/api", "http://localhost:11434/api/embed"),
    ("ollama:m", "http://localhost:11434/v1/", "http://localhost:11434/api/embed"),
    ("tei", "http://localhost:8080/embed", "http://localhost:8080/embed"),
    ("tei", "http://localhost:8080//proxy/", "http://localhost:8080/proxy/embed"),
]


@pytest.mark.parametrize(("name", "base_url", "url"), URLS)
async def test_a_base_url_as_people_copy_it(name: str, base_url: str, url: str) -> None:
    assert (await asked(name, base_url=base_url))[0] == url


GOOGLES = "https://generativelanguage.googleapis.com"


@pytest.mark.parametrize(
    "base_url", [GOOGLES, f"{GOOGLES}/v1beta/", f"{GOOGLES}/v1beta/models", f"{GOOGLES}/v1beta/openai"]
)
async def test_a_base_url_of_google(base_url: str) -> None:
    url, _, _ = await asked("google", base_url=base_url)
    assert url == f"{GOOGLES}/v1beta/models/gemini-embedding-001:batchEmbedContents"


AZURES = "https://mine.openai.azure.com"


@pytest.mark.parametrize("path", ["", "/", "/openai", "/openai/deployments/d", "/openai/deployments/d/embeddings"])
async def test_a_base_url_of_azure(path: str) -> None:
    url, _, _ = await asked("azure:d", base_url=AZURES + path)
    assert url == f"{AZURES}/openai/deployments/d/embeddings?api-version=2024-10-21"


@pytest.mark.parametrize("path", ["/openai/v1", "/openai/v1/", "/openai/v1/embeddings"])
async def test_a_base_url_of_azures_v1(path: str) -> None:
    assert (await asked("azure:d", base_url=AZURES + path))[0] == f"{AZURES}/openai/v1/embeddings"


HEADERS = {
    "openai:m": BEARER,
    "azure:d": {"api-key": KEY},
    "ollama:m": BEARER,
    "cohere": BEARER,
    "voyage": BEARER,
    "google": {"x-goog-api-key": KEY},
    "mistral": BEARER,
    "jina": BEARER,
    "tei": BEARER,
}


@pytest.mark.parametrize("name", HEADERS)
async def test_the_key_goes_in_a_header(name: str) -> None:
    base_url = "http://localhost:9000/v1"
    _, _, headers = await asked(name, base_url=base_url)
    assert headers == {"Content-Type": "application/json", **HEADERS[name]}


@pytest.mark.parametrize("name", [name for name in HEADERS if name != "azure:d"])
async def test_a_server_of_ones_own_needs_no_key(name: str) -> None:
    base_url = None if name in {"tei", "ollama:m"} else "http://localhost:9000/v1"
    _, _, headers = await asked(name, key=None, base_url=base_url)
    assert headers == {"Content-Type": "application/json"}


async def test_azure_with_entra_id() -> None:
    token = {"authorization": "Bearer a-token-of-entra-id"}
    _, _, headers = await asked("azure:d", key=None, base_url="https://mine.openai.azure.com", headers=token)
    assert headers == {"Content-Type": "application/json", **token}


async def test_no_task() -> None:
    _, body, _ = await asked("jina", options={"task": "none"})
    assert "task" not in body
    for model in ("gemini-embedding-001", "gemini-embedding-2"):
        _, body, _ = await asked(f"google:{model}", options={"task": "none"})
        assert [request["content"]["parts"][0]["text"] for request in body["requests"]] == TEXTS
        assert all("taskType" not in request for request in body["requests"])


async def test_keys_of_atlas_go_to_atlas() -> None:
    url, _, _ = await asked("voyage", key="al-made-up-0123456789")
    assert url == "https://ai.mongodb.com/v1/embeddings"
    url, _, _ = await asked("voyage", key="al-made-up-0123456789", base_url="http://localhost:9000")
    assert url == "http://localhost:9000/embeddings"


@pytest.mark.parametrize(
    ("task", "query", "document"),
    [
        ("retrieval", "task: search result | query: ", "title: none | text: "),
        ("code_retrieval", "task: code retrieval | query: ", "title: none | text: "),
        ("semantic_similarity", "task: sentence similarity | query: ", "task: sentence similarity | query: "),
    ],
)
async def test_later_models_of_google_read_the_task(task: str, query: str, document: str) -> None:
    for kind, before in (("query", query), ("document", document)):
        _, body, _ = await asked(
            "google:gemini-embedding-2", "query" if kind == "query" else "document", options={"task": task}
        )
        content = {"parts": [{"text": f"{before}one"}]}
        assert body["requests"][0] == {"model": "models/gemini-embedding-2", "content": content}
