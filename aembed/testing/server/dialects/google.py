"""``google``: POST /v1beta/models/MODEL:batchEmbedContents, the Gemini API.

Sources: https://ai.google.dev/api/embeddings (shapes; texts that are too long are cut), https://cloud.google.com/apis/design/errors
(the error body); a wrong key is a 400 with reason API_KEY_INVALID, a missing one a 403; the rest as quoted in public
issue threads. Only ``error.details`` has the time to wait.
"""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from aembed.testing.server.dialects.dialect import (
    Ask,
    Caps,
    Dialect,
    Rejection,
    ReplyParts,
    Wording,
    positive,
    reader,
    worded,
)
from aembed.testing.server.parse import Request

_PATH = re.compile(r"/v1(?:beta)?/models/([^/:]+):batchEmbedContents")

TASK_TYPES = {
    None,
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
}


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    parts: list[_Part]
    role: str | None = None


class _Item(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    content: _Content
    model: str = ""
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None


class _GoogleBody(msgspec.Struct, forbid_unknown_fields=True):
    requests: list[_Item]


_decode = reader(_GoogleBody)


def route(path: str) -> str | None:
    found = _PATH.fullmatch(path)
    return unquote(found[1]) if found else None


def key(request: Request) -> str | None:
    return request.head.headers.get("x-goog-api-key") or parse_qs(request.head.query).get("key", [""])[0]


def read(request: Request, model: str) -> Ask:
    body: _GoogleBody = _decode(request.body)
    texts, dimensions = [], set()
    for index, item in enumerate(body.requests):
        if item.model != f"models/{model}":
            raise Rejection("field", f"* BatchEmbedContentsRequest.requests[{index}].model: must be models/{model}\n")
        if item.task_type not in TASK_TYPES:
            raise Rejection("field", f"Invalid value at 'requests[{index}].task_type' (TaskType)")
        text = "\n".join(part.text for part in item.content.parts)
        if not text:
            raise Rejection("empty", index=index)
        positive("output_dimensionality", item.output_dimensionality)
        texts.append(text)
        dimensions.add(item.output_dimensionality)
    if not texts:
        raise Rejection("field", "* BatchEmbedContentsRequest.requests: must not be empty\n")
    if len(dimensions) > 1:
        raise Rejection("field", "this server gives one output_dimensionality for a batch")
    return Ask(texts, model, dimensions.pop(), truncate=True)


def write(answer: ReplyParts) -> list[bytes]:
    pieces: list[bytes] = [b'{"embeddings":[{"values":', b'},{"values":'.join(answer.vectors), b"}]"]
    if answer.tokens is not None:
        pieces.append(b',"usageMetadata":{"promptTokenCount":%d}' % answer.tokens)
    return [*pieces, b"}"]


NAMES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}

WORDING: Wording = {
    "path": (404, "Requested entity was not found."),
    "method": (405, "Method not allowed."),
    "no_key": (403, "Method doesn't allow unregistered callers (callers without established identity)."),
    "key": (400, "API key not valid. Please pass a valid API key."),
    "model": (
        404,
        "models/{model} is not found for API version v1beta, or is not supported for embedContent. Call ListModels to"
        " see the list of available models and their supported methods.",
    ),
    "json": (400, "Invalid JSON payload received. {detail}"),
    "field": (400, "{detail}"),
    "empty": (400, "* EmbedContentRequest.content: contents is not specified\n"),
    "batch": (400, "* BatchEmbedContentsRequest.requests: at most {limit:.0f} requests can be in one batch\n"),
    "request_tokens": (400, "The request has {got:.0f} tokens, and the limit is {limit:.0f}."),
    "text_tokens": (
        400,
        "The input token count ({got:.0f}) exceeds the maximum number of tokens allowed ({limit:.0f}).",
    ),
    "body": (400, "Request payload size exceeds the limit: {limit:.0f} bytes."),
    "rate": (429, "You exceeded your current quota, please check your plan and billing details."),
    "never": (429, "You exceeded your current quota, please check your plan and billing details."),
    "overloaded": (503, "The model is overloaded. Please try again later."),
}


def error_body(rejection: Rejection, status: int, message: str) -> Any:
    error = {"code": status, "message": message, "status": NAMES[status]}
    details = _details(rejection)
    return {"error": {**error, "details": details} if details else error}


def _details(rejection: Rejection) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if rejection.problem == "key":
        details.append(_typed("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com"))
    if rejection.problem in {"rate", "never"}:
        metric = f"generativelanguage.googleapis.com/embed_content_{rejection.resource}"
        details.append(
            _typed("QuotaFailure", violations=[{"quotaMetric": metric, "quotaValue": f"{rejection.limit:.0f}"}])
        )
    if rejection.problem == "rate" and rejection.wait:
        details.append(_typed("RetryInfo", retryDelay=f"{math.ceil(rejection.wait * 1000) / 1000:g}s"))
    return details


def _typed(kind: str, **values: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **values}


GOOGLE = Dialect(
    base="/v1beta",
    route=route,
    key=key,
    read=read,
    write=write,
    reject=worded(WORDING, error_body),
    caps=Caps(inputs=100, text_tokens=2048, body_bytes=4 * 2**20),
    retry_after=False,
)
