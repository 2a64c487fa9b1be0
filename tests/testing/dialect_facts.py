"""Facts about each dialect: requests, models, and words of its errors."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aembed import Vectors
from tests.testing.client import Answer

KEY = "key-for-tests"
BEARER = {"authorization": f"Bearer {KEY}"}


def numbers(value: Any) -> Vectors:
    return np.frombuffer(base64.b64decode(value), "<f4") if isinstance(value, str) else np.array(value, np.float32)


def from_list(reply: Any) -> list[Vectors]:
    return [numbers(item["embedding"]) for item in reply["data"]]


def inputs(texts: list[str], **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": texts, **more}


def google_body(texts: list[str], dimensions: int | None = None, **more: Any) -> dict[str, Any]:
    size = {} if dimensions is None else {"outputDimensionality": dimensions}
    items = [{"model": "models/m", "content": {"parts": [{"text": text}]}, **size, **more} for text in texts]
    return {"requests": items}


def cohere_body(texts: list[str], **more: Any) -> dict[str, Any]:
    return {"model": "m", "texts": texts, "input_type": "search_document", "embedding_types": ["float"], **more}


@dataclass(frozen=True)
class Facts:
    """Requests and replies of one provider, written apart from the server."""

    path: str
    body: Callable[..., dict[str, Any]]
    vectors: Callable[[Any], list[Vectors]] = from_list
    tokens: Callable[[Answer], int] = lambda answer: answer.json["usage"]["total_tokens"]
    headers: Mapping[str, str] = field(default_factory=lambda: BEARER)
    dimensions: str = "dimensions"
    base64: Mapping[str, Any] | None = None
    message: Callable[[Any], str] = lambda reply: reply["error"]["message"]
    required: tuple[str, ...] = ("model", "input")
    no_key: int = 401
    wrong_key: int = 401
    model: int = 404
    bad_field: int = 400
    batch: tuple[int, int, str] = (2048, 400, "Invalid 'input': array length must be 2048 or less.")
    too_long: tuple[int, str] = (400, "Invalid 'input[1]': maximum input length is 4 tokens.")
    no_truncation: Mapping[str, Any] = field(default_factory=dict[str, Any])
    overloaded: int = 503


FACTS = {
    "openai": Facts("/v1/embeddings", inputs, base64={"encoding_format": "base64"}),
    "azure": Facts(
        "/openai/deployments/m/embeddings?api-version=2024-10-21",
        lambda texts, **more: {"input": texts, **more},
        headers={"api-key": KEY},
        base64={"encoding_format": "base64"},
        required=("input",),
    ),
    "cohere": Facts(
        "/v2/embed",
        cohere_body,
        vectors=lambda reply: [
            numbers(one) for kind in ("float", "base64") for one in reply["embeddings"].get(kind, ())
        ],
        tokens=lambda answer: answer.json["meta"]["billed_units"]["input_tokens"],
        dimensions="output_dimension",
        base64={"embedding_types": ["base64"]},
        message=lambda reply: reply["message"],
        required=("model", "texts", "input_type", "embedding_types"),
        batch=(96, 400, "invalid request: total number of texts must be at most 96 - received 97"),
        too_long=(400, "too many tokens: texts[1] cannot exceed 4 tokens - received 6."),
        no_truncation={"truncate": "NONE"},
    ),
    "voyage": Facts(
        "/v1/embeddings",
        inputs,
        dimensions="output_dimension",
        base64={"encoding_format": "base64"},
        message=lambda reply: reply["detail"],
        model=400,
        batch=(1000, 400, "Request to model 'm' failed. The batch size limit is 1000. Your batch size is 1001."),
        too_long=(400, "Request to model 'm' failed. The example at index 1 in your batch has too many tokens"),
        no_truncation={"truncation": False},
    ),
    "google": Facts(
        "/v1beta/models/m:batchEmbedContents",
        google_body,
        vectors=lambda reply: [numbers(item["values"]) for item in reply["embeddings"]],
        tokens=lambda answer: answer.json["usageMetadata"]["promptTokenCount"],
        headers={"x-goog-api-key": KEY},
        required=("requests",),
        no_key=403,
        wrong_key=400,
        batch=(100, 400, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"),
    ),
    "mistral": Facts(
        "/v1/embeddings",
        inputs,
        dimensions="output_dimension",
        base64={"encoding_format": "base64"},
        message=lambda reply: reply["message"],
        model=400,
        bad_field=422,
        batch=(256, 400, "Too many inputs in request, split into more batches."),
        too_long=(400, "Input id 1 has 6 tokens, exceeding max 4 tokens."),
    ),
    "jina": Facts(
        "/v1/embeddings",
        inputs,
        base64={"embedding_type": "base64"},
        message=lambda reply: reply["detail"],
        bad_field=422,
        batch=(2048, 400, "Validation error: 'body -> m' Each input list can contain at most 2048 items."),
        too_long=(400, "Input text at index 1 exceeds maximum length of 4 tokens."),
    ),
    "ollama": Facts(
        "/api/embed",
        inputs,
        vectors=lambda reply: [numbers(one) for one in reply["embeddings"]],
        tokens=lambda answer: answer.json["prompt_eval_count"],
        message=lambda reply: reply["error"],
        required=(),
        batch=(10_000, 200, ""),
        too_long=(400, "the input length exceeds the context length"),
        no_truncation={"truncate": False},
    ),
    "tei": Facts(
        "/embed",
        lambda texts, **more: {"inputs": texts, **more},
        vectors=lambda reply: [numbers(one) for one in reply],
        tokens=lambda answer: int(answer.headers["x-compute-tokens"]),
        message=lambda reply: reply["error"],
        required=("inputs",),
        model=200,  # requests name none
        bad_field=422,
        batch=(32, 422, "batch size 33 > maximum allowed batch size 32"),
        too_long=(422, "Input validation error: `inputs` must have less than 4 tokens. Given: 6"),
        overloaded=429,
    ),
}
