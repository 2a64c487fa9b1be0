"""``tei``: Hugging Face's text-embeddings-inference, POST /embed.

Source: https://github.com/huggingface/text-embeddings-inference, router/src/http/server.rs and docs/openapi.json: 32
inputs, a body of 2 MB; everything that is too large is a 413 with ``"error_type": "Validation"``; counts are headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aembed.testing.server.dialects.dialect import (
    Answer,
    Ask,
    Caps,
    Dialect,
    Refusal,
    Wording,
    at,
    bearer,
    one_of,
    reader,
    strings,
    words,
)
from aembed.testing.server.parse import Request


class _Body(msgspec.Struct):
    inputs: str | list[str]
    truncate: bool | None = None
    normalize: bool = True
    truncation_direction: str = "right"
    prompt_name: str | None = None
    dimensions: int | None = None


_decode = reader(_Body)


def read(request: Request, model: str) -> Ask:
    body: _Body = _decode(request.body)
    one_of("truncation_direction", body.truncation_direction.lower(), ("left", "right"))
    if body.dimensions is not None and body.dimensions < 1:
        raise Refusal("field", "`dimensions` should be positive")
    return Ask(strings(body.inputs), "", body.dimensions, truncate=body.truncate is True)


def write(answer: Answer) -> list[bytes]:
    return [b"[", b",".join(answer.vectors), b"]"]


def headers(answer: Answer) -> Mapping[str, str]:
    counts = {"x-compute-type": "cpu", "x-compute-characters": str(sum(map(len, answer.ask.texts)))}
    return counts if answer.tokens is None else {**counts, "x-compute-tokens": str(answer.tokens)}


WORDING: Wording = {
    "path": (404, "Not Found"),
    "method": (405, "Method Not Allowed"),
    "no_key": (401, "Unauthorized"),
    "key": (401, "Unauthorized"),
    "model": (404, "model `{model}` not found"),
    "json": (400, "Failed to parse the request body as JSON: {detail}"),
    "field": (422, "Failed to deserialize the JSON body into the target type: {detail}"),
    "empty": (413, "Input validation error: `inputs` cannot be empty"),
    "batch": (413, "batch size {got:.0f} > maximum allowed batch size {limit:.0f}"),
    "request_tokens": (
        413,
        "Input validation error: `inputs` must have less than {limit:.0f} tokens. Given: {got:.0f}",
    ),
    "text_tokens": (413, "Input validation error: `inputs` must have less than {limit:.0f} tokens. Given: {got:.0f}"),
    "body": (413, "length limit exceeded"),
    "rate": (429, "Model is overloaded"),
    "never": (429, "Model is overloaded"),
    "overloaded": (429, "Model is overloaded"),
}

TYPES = {400: "Validation", 413: "Validation", 422: "Tokenizer", 429: "Overloaded"}


def refuse(refusal: Refusal) -> tuple[int, Any]:
    status, message = words(refusal, WORDING)
    return status, {"error": message, "error_type": TYPES.get(status, "Validation")}


TEI = Dialect(
    route=at("/embed", "/"),
    key=bearer,
    read=read,
    write=write,
    refuse=refuse,
    headers=headers,
    caps=Caps(inputs=32, text_tokens=512, body_bytes=2_000_000),
)
