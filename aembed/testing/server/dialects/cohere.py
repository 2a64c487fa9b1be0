"""``cohere``: POST /v2/embed.

Sources: https://docs.cohere.com/reference/embed (fields, 96 texts, shapes), https://docs.cohere.com/reference/errors
(messages; the body is ``{"id", "message"}``). That an empty text is rejected is known; the wording is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from aembed.testing.quotas import QuotaLevel
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
    positive,
    reader,
    strings,
    worded,
)
from aembed.testing.server.parse import Request

INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")


class _CohereBody(msgspec.Struct, forbid_unknown_fields=True):
    model: str = ""
    texts: list[str] | None = None
    input_type: str | None = None
    embedding_types: list[str] | None = None
    truncate: str = "END"
    output_dimension: int | None = None
    max_tokens: int | None = None


_decode = reader(_CohereBody)


def read(request: Request, model: str) -> Ask:
    body: _CohereBody = _decode(request.body)
    if not body.model:
        raise Rejection("field", "a model parameter is required for this endpoint.")
    if body.texts is None:
        raise Rejection("field", "invalid request: one of texts, images or inputs is required")
    if body.input_type is None:
        raise Rejection("field", "invalid request: input_type parameter is required for this model")
    if not body.embedding_types:
        raise Rejection("field", "embedding_types parameter is required")
    one_of("input_type", body.input_type, INPUT_TYPES)
    one_of("truncate", body.truncate, ("NONE", "START", "END"))
    if body.embedding_types not in (["float"], ["base64"]):
        raise Rejection("field", "invalid request: this server gives embedding_types float or base64, one at a time")
    positive("output_dimension", body.output_dimension)
    return Ask(
        strings(body.texts),
        body.model,
        body.output_dimension,
        base64=body.embedding_types == ["base64"],
        truncate=body.truncate != "NONE",
    )


def write(answer: ReplyParts) -> list[bytes]:
    # The key names the type of the vectors.
    kind = b"base64" if answer.vectors[0].startswith(b'"') else b"float"
    texts = msgspec.json.encode(answer.ask.texts)
    billed = b"" if answer.tokens is None else b',"billed_units":{"input_tokens":%d}' % answer.tokens
    return [
        b'{"id":"req-%08d","texts":%b,"embeddings":{"%b":[' % (answer.number, texts, kind),
        b",".join(answer.vectors),
        b']},"meta":{"api_version":{"version":"2"}%b},"response_type":"embeddings_by_type"}' % billed,
    ]


WORDING: Wording = {
    "path": (404, "404 page not found"),
    "method": (405, "method not allowed"),
    "no_key": (401, "no api key supplied"),
    "key": (401, "invalid api token"),
    "model": (
        404,
        "model '{model}' not found, make sure the correct model ID was used and that you have access to the model.",
    ),
    "json": (400, "invalid json syntax: {detail}"),
    "field": (400, "{detail}"),
    "empty": (400, "invalid request: texts must not be empty"),
    "batch": (400, "invalid request: total number of texts must be at most {limit:.0f} - received {got:.0f}"),
    "request_tokens": (400, "too many tokens: total number of tokens cannot exceed {limit:.0f} - received {got:.0f}."),
    "text_tokens": (400, "too many tokens: texts[{index}] cannot exceed {limit:.0f} tokens - received {got:.0f}."),
    "body": (413, "request body too large"),
    "rate": (429, "You are past the rate limit of {limit:.0f} {resource} / minute. Please wait and try again later."),
    "never": (429, "You are past the rate limit of {limit:.0f} {resource} / minute."),
    "overloaded": (503, "Too many users trying to access the service at the same time"),
}


def announce(levels: Sequence[QuotaLevel]) -> Mapping[str, str]:
    """Trial keys get headers with their calls."""
    return {
        name: value
        for level in levels
        if level.resource == "requests"
        for name, value in (
            ("x-trial-endpoint-call-limit", f"{level.limit:.0f}"),
            ("x-trial-endpoint-call-remaining", f"{int(level.remaining)}"),
        )
    }


NO_ID = "00000000-0000-0000-0000-000000000000"

COHERE = Dialect(
    base="/v2",
    route=at("/v2/embed"),
    key=bearer,
    read=read,
    write=write,
    reject=worded(WORDING, lambda rejection, status, message: {"id": NO_ID, "message": message}),
    caps=Caps(inputs=96, text_tokens=128_000),
    announce=announce,
    mixes=False,
)
