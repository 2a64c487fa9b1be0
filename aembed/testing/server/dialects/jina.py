"""``jina``: POST /v1/embeddings.

Sources: https://api.jina.ai/redoc and https://jina.ai/embeddings (fields); ``{"detail"}`` messages and caps (512 inputs
for v4, 2048 for others) as quoted in public issue threads. The wording for texts that are too long is not confirmed.
"""

from __future__ import annotations

import msgspec

from aembed.testing.server.dialects.dialect import (
    Ask,
    Caps,
    Dialect,
    ReplyParts,
    Wording,
    at,
    bearer,
    one_of,
    positive,
    reader,
    strings,
    worded,
)
from aembed.testing.server.dialects.openai import items
from aembed.testing.server.parse import Request


class _Text(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _JinaBody(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    input: str | list[str | _Text]
    task: str | None = None
    dimensions: int | None = None
    embedding_type: str = "float"
    normalized: bool = True
    late_chunking: bool = False
    truncate: bool = False
    return_multivector: bool = False


_decode = reader(_JinaBody)


def read(request: Request, model: str) -> Ask:
    body: _JinaBody = _decode(request.body)
    one_of("embedding_type", body.embedding_type, ("float", "base64"))
    positive("dimensions", body.dimensions)
    given = [body.input] if isinstance(body.input, str) else body.input
    return Ask(
        strings([text if isinstance(text, str) else text.text for text in given]),
        body.model,
        body.dimensions,
        base64=body.embedding_type == "base64",
        truncate=body.truncate,
    )


def write(answer: ReplyParts) -> list[bytes]:
    usage = b""
    if answer.tokens is not None:
        usage = b',"usage":{"total_tokens":%d,"prompt_tokens":%d}' % (answer.tokens, answer.tokens)
    model = msgspec.json.encode(answer.ask.model)
    return [b'{"model":%b,"object":"list"%b,"data":[' % (model, usage), *items(answer), b"]}"]


WORDING: Wording = {
    "path": (404, "Not Found"),
    "method": (405, "Method Not Allowed"),
    "no_key": (401, "Authentication is required to use this endpoint."),
    "key": (401, "Invalid API key."),
    "model": (404, "Model {model} not found"),
    "json": (422, "Validation error: 'body' {detail}"),
    "field": (422, "Validation error: 'body' {detail}"),
    "empty": (422, "Validation error: 'body -> {index}' Text input cannot be empty."),
    "batch": (400, "Validation error: 'body -> {model}' Each input list can contain at most {limit:.0f} items."),
    "request_tokens": (400, "The request has {got:.0f} tokens, and at most {limit:.0f} are allowed."),
    "text_tokens": (400, "Input text at index {index} exceeds maximum length of {limit:.0f} tokens."),
    "body": (413, "Request Entity Too Large"),
    "rate": (429, "Rate limit exceeded: {limit:.0f} {resource} per minute."),
    "never": (429, "Rate limit exceeded: {limit:.0f} {resource} per minute."),
    "overloaded": (503, "Service is temporarily overloaded."),
}


JINA = Dialect(
    base="/v1",
    route=at("/v1/embeddings"),
    key=bearer,
    read=read,
    write=write,
    reject=worded(WORDING, lambda rejection, status, message: {"detail": message}),
    caps=Caps(inputs=2048, text_tokens=8192),
    model_caps={"jina-embeddings-v4": Caps(inputs=512, text_tokens=32_768)},
)
