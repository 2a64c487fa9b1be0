"""``openai``: POST /v1/embeddings.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create and /docs/guides/rate-limits for the shapes,
caps and headers; error bodies as quoted in public issue threads of openai-python, langchain and gpt-researcher.
"""

from __future__ import annotations

import math
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
)
from aembed.testing.server.parse import Request


class _OpenAIBody(msgspec.Struct, forbid_unknown_fields=True):
    input: str | list[str | int | list[int]]
    model: str = ""
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None


_decode = reader(_OpenAIBody)


def read(request: Request, model: str) -> Ask:
    """Texts or tokens, one or many."""
    body: _OpenAIBody = _decode(request.body)
    if not (model or body.model):
        raise Rejection("field", "you must provide a model parameter")
    one_of("encoding_format", body.encoding_format, (None, "float", "base64"))
    positive("dimensions", body.dimensions)
    texts, tokens = _texts(body.input)
    return Ask(
        texts,
        model or body.model,
        body.dimensions,
        base64=body.encoding_format == "base64",
        tokens=tokens,
        encoding_format=body.encoding_format is not None,
    )


def _texts(given: str | list[str | int | list[int]]) -> tuple[list[str], list[int] | None]:
    if isinstance(given, str):
        given = [given]
    elif given and isinstance(given[0], int):
        given = [given]  # type: ignore[list-item]  # one text, as tokens
    if not given:
        raise Rejection("empty")
    if isinstance(given[0], str):
        texts = [text for text in given if isinstance(text, str)]
        lengths = None
    else:
        tokens = [text for text in given if isinstance(text, list)]
        texts = ["" if not text else msgspec.json.encode(text).decode() for text in tokens]
        lengths = [len(text) for text in tokens]
    if len(texts) != len(given):
        raise Rejection("field", "'$.input' is invalid")
    if "" in texts:
        raise Rejection("empty", index=texts.index(""))
    return texts, lengths


def items(answer: ReplyParts) -> list[bytes]:
    """``{"object":"embedding","index":0,"embedding":...},...``, in pieces."""
    pieces: list[bytes] = []
    for index in answer.order:
        pieces += (b',{"object":"embedding","index":%d,"embedding":' % index, answer.vectors[index], b"}")
    pieces[0] = pieces[0][1:]
    return pieces


def write(answer: ReplyParts) -> list[bytes]:
    counted = answer.tokens
    usage = b"" if counted is None else b',"usage":{"prompt_tokens":%d,"total_tokens":%d}' % (counted, counted)
    model = msgspec.json.encode(answer.ask.model)
    return [b'{"object":"list","data":[', *items(answer), b'],"model":%b%b}' % (model, usage)]


INVALID = "invalid_request_error"

ERRORS: Mapping[Problem, tuple[int, str, str | None, str]] = {
    "path": (404, INVALID, "unknown_url", "Unknown request URL: {detail}."),
    "method": (405, INVALID, "method_not_supported", "Not allowed: {detail}."),
    "no_key": (401, INVALID, None, "You didn't provide an API key."),
    "key": (401, INVALID, "invalid_api_key", "Incorrect API key provided."),
    "model": (404, INVALID, "model_not_found", "The model `{model}` does not exist or you do not have access to it."),
    "json": (400, INVALID, None, "We could not parse the JSON body of your request."),
    "field": (400, INVALID, None, "{detail}"),
    "empty": (400, INVALID, None, "Invalid 'input[{index}]': input cannot be an empty string."),
    "batch": (400, INVALID, None, "Invalid 'input': array length must be {limit:.0f} or less."),
    "request_tokens": (
        400,
        "max_tokens_per_request",
        "max_tokens_per_request",
        "Requested {got:.0f} tokens, max {limit:.0f} tokens per request",
    ),
    "text_tokens": (
        400,
        INVALID,
        None,
        "Invalid 'input[{index}]': maximum input length is {limit:.0f} tokens.",
    ),
    "body": (413, INVALID, None, "The body is larger than {limit:.0f} bytes."),
    "rate": (
        429,
        "{resource}",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on {resource} per min: Limit {limit:.0f}, Requested {got:.0f}.{soon}",
    ),
    "never": (
        429,
        "{resource}",
        "rate_limit_exceeded",
        "Request too large for {model} on {resource} per min: Limit {limit:.0f}, Requested {got:.0f}.",
    ),
    "overloaded": (503, "server_error", None, "The server is overloaded or not ready yet."),
}


def reject(rejection: Rejection) -> tuple[int, Any]:
    status, kind, code, message = ERRORS[rejection.problem]
    soon = f" Please try again in {duration(rejection.wait)}." if 0 < rejection.wait < math.inf else ""
    facts = {**vars(rejection), "soon": soon}
    error = {"message": message.format_map(facts), "type": kind.format_map(facts), "param": None, "code": code}
    return status, {"error": error}


def duration(seconds: float) -> str:
    """Go's way of writing it: ``12ms``, ``1.5s``, ``6m0s``; rounded up to whole milliseconds."""
    milliseconds = -int(-seconds * 1000 // 1)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest / 1000:g}s"


def announce(levels: Sequence[QuotaLevel]) -> Mapping[str, str]:
    headers = {}
    for level in levels:
        if level.resource != "inputs":
            headers[f"x-ratelimit-limit-{level.resource}"] = f"{level.limit:.0f}"
            headers[f"x-ratelimit-remaining-{level.resource}"] = f"{int(level.remaining)}"
            headers[f"x-ratelimit-reset-{level.resource}"] = duration(level.reset)
    return headers


OPENAI = Dialect(
    base="/v1",
    route=at("/v1/embeddings"),
    key=bearer,
    read=read,
    write=write,
    reject=reject,
    caps=Caps(inputs=2048, request_tokens=300_000, text_tokens=8192),
    announce=announce,
)
