"""``tei``: Hugging Face's text-embeddings-inference, POST /embed.

Source: https://github.com/huggingface/text-embeddings-inference, router/src/http/server.rs and docs/openapi.json: 32
inputs, a body of 2 MB; since 1.9 an oversized input is a 422 with ``"error_type": "Validation"`` (413 before), and no
text a 400; a prompt that the model's configuration lacks is rejected, and this model's has none; counts are headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aembed.testing.server.dialects.dialect import (
    Ask,
    Caps,
    Dialect,
    Rejection,
    ReplyParts,
    Wording,
    at,
    bearer,
    one_of,
    reader,
    strings,
    worded,
)
from aembed.testing.server.parse import Request


class _TeiBody(msgspec.Struct):
    inputs: str | list[str]
    truncate: bool | None = None
    normalize: bool = True
    truncation_direction: str = "right"
    prompt_name: str | None = None
    dimensions: int | None = None


_decode = reader(_TeiBody)


def read(request: Request, model: str) -> Ask:
    body: _TeiBody = _decode(request.body)
    one_of("truncation_direction", body.truncation_direction.lower(), ("left", "right"))
    if body.dimensions is not None and body.dimensions < 1:
        raise Rejection("field", "`dimensions` should be positive")
    if body.prompt_name is not None:
        raise Rejection("prompt", body.prompt_name)
    return Ask(strings(body.inputs), "", body.dimensions, truncate=body.truncate is True)


def write(answer: ReplyParts) -> list[bytes]:
    return [b"[", b",".join(answer.vectors), b"]"]


def headers(answer: ReplyParts) -> Mapping[str, str]:
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
    "empty": (400, "Input validation error: `inputs` cannot be empty"),
    "prompt": (
        422,
        "Input validation error: `default-prompt-name` is set to `{detail}` but no prompts were found in the Sentence "
        "Transformers configuration",
    ),
    "batch": (422, "batch size {got:.0f} > maximum allowed batch size {limit:.0f}"),
    "request_tokens": (
        422,
        "Input validation error: `inputs` must have less than {limit:.0f} tokens. Given: {got:.0f}",
    ),
    "text_tokens": (422, "Input validation error: `inputs` must have less than {limit:.0f} tokens. Given: {got:.0f}"),
    "body": (413, "length limit exceeded"),
    "rate": (429, "Model is overloaded"),
    "never": (429, "Model is overloaded"),
    "overloaded": (429, "Model is overloaded"),
}

TYPES = {"empty": "Empty", "rate": "Overloaded", "never": "Overloaded", "overloaded": "Overloaded"}


def error_body(rejection: Rejection, status: int, message: str) -> Any:
    return {"error": message, "error_type": TYPES.get(rejection.problem, "Validation")}


TEI = Dialect(
    route=at("/embed", "/"),
    key=bearer,
    read=read,
    write=write,
    reject=worded(WORDING, error_body),
    headers=headers,
    caps=Caps(inputs=32, text_tokens=512, body_bytes=2_000_000),
)
