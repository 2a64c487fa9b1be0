"""Requests, exactly as each provider documents them: for documents and queries, with and without dimensions."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._types import Kind
from tests.provider_requests import KEY, REQUESTS, TEXTS, asked

BEARER = {"Authorization": f"Bearer {KEY}"}


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
