"""Requests as each provider documents them, and the one that aembed sends."""

from __future__ import annotations

from typing import Any

import pytest

from aembed._registry import Registry
from aembed._types import Kind, Provider
from tests.wire.fake import Fake, answer

KEY = "sk-made-up-0123456789"
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
