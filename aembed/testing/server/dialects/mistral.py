"""``mistral``: POST /v1/embeddings.

Sources: https://docs.mistral.ai/api (fields); caps and code 3210 as measured and quoted in public repositories (256
inputs pass and 257 are rejected, 16,384 tokens in all; May 2026). The names of the quota headers and of
``mistral-correlation-id`` are those of recorded replies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aembed.testing.quotas import QuotaLevel
from aembed.testing.server.dialects.dialect import (
    Ask,
    Caps,
    Dialect,
    Problem,
    Rejection,
    ReplyParts,
    at,
    bearer,
    one_of,
    positive,
    reader,
    strings,
)
from aembed.testing.server.dialects.openai import items
from aembed.testing.server.parse import Request


class _MistralBody(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    input: str | list[str]
    encoding_format: str | None = None
    output_dimension: int | None = None
    output_dtype: str | None = None
    metadata: dict[str, Any] | None = None


_decode = reader(_MistralBody)


def read(request: Request, model: str) -> Ask:
    body: _MistralBody = _decode(request.body)
    one_of("encoding_format", body.encoding_format, (None, "float", "base64"))
    one_of("output_dtype", body.output_dtype, (None, "float"))
    positive("output_dimension", body.output_dimension)
    return Ask(
        strings(body.input),
        body.model,
        body.output_dimension,
        base64=body.encoding_format == "base64",
        encoding_format=body.encoding_format is not None,
    )


def write(answer: ReplyParts) -> list[bytes]:
    usage = b""
    if answer.tokens is not None:
        usage = b',"usage":{"prompt_tokens":%d,"completion_tokens":0,"total_tokens":%d}' % (
            answer.tokens,
            answer.tokens,
        )
    model = msgspec.json.encode(answer.ask.model)
    head = b'{"id":"req-%08d","object":"list","data":[' % answer.number
    return [head, *items(answer), b'],"model":%b%b}' % (model, usage)]


ERRORS: Mapping[Problem, tuple[int, str, str | None, str]] = {
    "path": (404, "invalid_request_error", None, "no Route matched with those values"),
    "method": (405, "invalid_request_error", None, "Method Not Allowed"),
    "no_key": (401, "invalid_request_error", None, "Unauthorized"),
    "key": (401, "invalid_request_error", None, "Unauthorized"),
    "model": (400, "invalid_model", "1500", "Invalid model: {model}"),
    "json": (422, "invalid_request_error", None, "{detail}"),
    "field": (422, "invalid_request_error", None, "{detail}"),
    "empty": (400, "invalid_request_prompt", "3210", "Input id {index} is empty."),
    "batch": (400, "invalid_request_prompt", "3210", "Too many inputs in request, split into more batches."),
    "request_tokens": (400, "invalid_request_prompt", "3210", "Too many tokens overall, split into more batches."),
    "text_tokens": (
        400,
        "invalid_request_prompt",
        "3210",
        "Input id {index} has {got:.0f} tokens, exceeding max {limit:.0f} tokens.",
    ),
    "body": (413, "invalid_request_error", None, "Request size limit exceeded"),
    "rate": (429, "rate_limited", "1300", "Rate limit exceeded"),
    "never": (429, "rate_limited", "1300", "Rate limit exceeded"),
    "overloaded": (503, "service_unavailable", "3700", "Service unavailable."),
}


def reject(rejection: Rejection) -> tuple[int, Any]:
    status, kind, code, message = ERRORS[rejection.problem]
    words = message.format_map(vars(rejection))
    return status, {"object": "error", "message": words, "type": kind, "param": None, "code": code}


def announce(levels: Sequence[QuotaLevel]) -> Mapping[str, str]:
    headers = {}
    for level in levels:
        if level.resource != "inputs":
            unit = "req" if level.resource == "requests" else "tokens"
            headers[f"x-ratelimit-limit-{unit}-minute"] = f"{level.limit:.0f}"
            headers[f"x-ratelimit-remaining-{unit}-minute"] = f"{int(level.remaining)}"
    return headers


MISTRAL = Dialect(
    base="/v1",
    route=at("/v1/embeddings"),
    key=bearer,
    read=read,
    write=write,
    reject=reject,
    caps=Caps(inputs=256, request_tokens=16_384, text_tokens=8192),
    announce=announce,
    request_id="mistral-correlation-id",
)
