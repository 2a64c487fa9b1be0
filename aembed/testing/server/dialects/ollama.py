"""``ollama``: POST /api/embed.

Source: ``EmbedHandler`` in https://github.com/ollama/ollama/blob/main/server/routes.go: an empty input is answered with
no vector, unknown fields are ignored, texts are cut unless ``truncate`` is false. It has no keys; one that is set here
is asked for as a proxy before it would.
"""

from __future__ import annotations

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
    reader,
    worded,
)
from aembed.testing.server.parse import Request


class _OllamaBody(msgspec.Struct):
    model: str = ""
    input: str | list[str] | None = None
    truncate: bool | None = None
    dimensions: int = 0


_decode = reader(_OllamaBody)


def read(request: Request, model: str) -> Ask:
    if not request.body:
        raise Rejection("field", "missing request body")
    body: _OllamaBody = _decode(request.body)
    if not body.model:
        raise Rejection("model")
    given = body.input or []
    return Ask(
        [given] if isinstance(given, str) else given,
        body.model,
        body.dimensions if body.dimensions > 0 else None,
        truncate=body.truncate is not False,
    )


def write(answer: ReplyParts) -> list[bytes]:
    model = msgspec.json.encode(answer.ask.model)
    usage = b"" if answer.tokens is None else b',"prompt_eval_count":%d' % answer.tokens
    return [
        b'{"model":%b,"embeddings":[' % model,
        b",".join(answer.vectors),
        b'],"total_duration":1000000,"load_duration":1000%b}' % usage,
    ]


WORDING: Wording = {
    "path": (404, "404 page not found"),
    "method": (405, "405 method not allowed"),
    "no_key": (401, "unauthorized"),
    "key": (401, "unauthorized"),
    "model": (404, "model '{model}' not found"),
    "json": (400, "{detail}"),
    "field": (400, "{detail}"),
    "empty": (400, "invalid input type"),
    "batch": (400, "too many inputs: {got:.0f}, at most {limit:.0f}"),
    "request_tokens": (400, "the input length exceeds the context length"),
    "text_tokens": (400, "the input length exceeds the context length"),
    "body": (413, "http: request body too large"),
    "rate": (429, "too many requests"),
    "never": (429, "too many requests"),
    "overloaded": (503, "server busy, please try again.  maximum pending requests exceeded"),
}


OLLAMA = Dialect(
    route=at("/api/embed"),
    key=bearer,
    read=read,
    write=write,
    reject=worded(WORDING, lambda rejection, status, message: {"error": message}),
    caps=Caps(text_tokens=2048),
)
