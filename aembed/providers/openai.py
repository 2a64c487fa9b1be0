"""``openai``: OpenAI's API, and every server that speaks it, through ``base_url``.

vLLM, LM Studio, llama.cpp, Infinity, LiteLLM, Together, DeepInfra, DashScope and others answer the same request. A
server of one's own needs no key. Vectors are asked for as base64 and accepted as numbers too.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create (2048 inputs, 300,000 tokens a request, 8192 a
text, ``dimensions`` on v3 models), https://platform.openai.com/docs/models (dimensions and prices).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import ConfigError
from aembed._types import Kind, ModelSpec, Provider, Source
from aembed._wire.openai_shape import EMBEDDING_LIST, OPENAI_ERRORS
from aembed._wire.provider import Api, Asked, HttpProvider, bearer, require_key

BASE_URL = "https://api.openai.com/v1"

MODELS = {
    "text-embedding-3-small": (1536, 0.02),
    "text-embedding-3-large": (3072, 0.13),
    "text-embedding-ada-002": (1536, 0.10),
}
"""Dimension, and US dollars for a million tokens."""


async def open_provider(source: Source) -> Provider:
    """``"openai:MODEL"``; no model means text-embedding-3-small, unless ``base_url`` is given."""
    model = source.model
    if source.base_url is None:
        model = model or "text-embedding-3-small"
        require_key(source, "OPENAI_API_KEY")
    if model is None:
        raise ConfigError("name the model this server has: 'openai:MODEL'")
    if source.options:
        raise ConfigError(f"the openai provider has no options, but was given {', '.join(source.options)}")

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "input": texts}
        if asked.base64:
            body["encoding_format"] = "base64"
        if asked.dimensions is not None:
            body["dimensions"] = asked.dimensions
        return body

    api = Api(
        url=f"{(source.base_url or BASE_URL).rstrip('/')}/embeddings",
        headers=bearer(source),
        request=request,
        shape=EMBEDDING_LIST,
        dialect=OPENAI_ERRORS,
    )
    return HttpProvider(api, _spec(model, source), source)


def _spec(model: str, source: Source) -> ModelSpec:
    known = source.base_url is None
    dim, price = MODELS.get(model, (None, None)) if known else (None, None)
    return ModelSpec(
        name=model,
        provider=source.provider,
        dim=source.dimensions or dim,
        max_batch_texts=2048 if known else 128,
        max_batch_tokens=300_000 if known else None,
        max_text_tokens=8192 if known else None,
        max_concurrency=32 if known else 16,
        adaptive=not known,
        price=price,
    )
