"""``voyage``: POST /v1/embeddings.

Sources: https://docs.voyageai.com/reference/embeddings-api (fields, caps by model, ``encoding_format`` null or base64)
and /docs/error-codes; ``{"detail"}`` messages as quoted in public issue threads.
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


class _VoyageBody(msgspec.Struct, forbid_unknown_fields=True):
    input: str | list[str]
    model: str
    input_type: str | None = None
    truncation: bool = True
    output_dimension: int | None = None
    output_dtype: str = "float"
    encoding_format: str | None = None


_decode = reader(_VoyageBody)


def read(request: Request, model: str) -> Ask:
    body: _VoyageBody = _decode(request.body)
    one_of("input_type", body.input_type, (None, "query", "document"))
    one_of("encoding_format", body.encoding_format, (None, "base64"))
    one_of("output_dtype", body.output_dtype, ("float",))
    positive("output_dimension", body.output_dimension)
    return Ask(
        strings(body.input),
        body.model,
        body.output_dimension,
        base64=body.encoding_format == "base64",
        truncate=body.truncation,
        encoding_format=body.encoding_format is not None,
    )


def write(answer: ReplyParts) -> list[bytes]:
    usage = b"" if answer.tokens is None else b',"usage":{"total_tokens":%d}' % answer.tokens
    model = msgspec.json.encode(answer.ask.model)
    return [b'{"object":"list","data":[', *items(answer), b'],"model":%b%b}' % (model, usage)]


WORDING: Wording = {
    "path": (404, "Not Found"),
    "method": (405, "Method Not Allowed"),
    "no_key": (401, "Provided API key is invalid."),
    "key": (401, "Provided API key is invalid."),
    "model": (400, "Model {model} is not supported."),
    "json": (400, "The request body is not valid JSON, or some arguments were not specified properly."),
    "field": (400, "{detail}"),
    "empty": (400, "Input cannot contain empty strings or empty lists."),
    "batch": (
        400,
        "Request to model '{model}' failed. The batch size limit is {limit:.0f}. Your batch size is {got:.0f}.",
    ),
    "request_tokens": (
        400,
        "Request to model '{model}' failed. The max allowed tokens per submitted batch is {limit:.0f}. Your batch has"
        " {got:.0f} tokens after truncation. Please lower the number of tokens in the batch.",
    ),
    "text_tokens": (
        400,
        "Request to model '{model}' failed. The example at index {index} in your batch has too many tokens and does not"
        " fit into the model's context window of {limit:.0f} tokens.",
    ),
    "body": (413, "Request Entity Too Large"),
    "rate": (429, "You have exceeded the rate limit of {limit:.0f} {resource} per minute."),
    "never": (429, "You have exceeded the rate limit of {limit:.0f} {resource} per minute."),
    "overloaded": (503, "The server is overloaded."),
}


SMALL = Caps(inputs=1000, request_tokens=120_000, text_tokens=32_000)
MIDDLE = Caps(inputs=1000, request_tokens=320_000, text_tokens=32_000)
LARGE = Caps(inputs=1000, request_tokens=1_000_000, text_tokens=32_000)

VOYAGE = Dialect(
    base="/v1",
    route=at("/v1/embeddings"),
    key=bearer,
    read=read,
    write=write,
    reject=worded(WORDING, lambda rejection, status, message: {"detail": message}),
    caps=SMALL,
    model_caps={
        "voyage-4-lite": LARGE,
        "voyage-3.5-lite": LARGE,
        "voyage-4": MIDDLE,
        "voyage-3.5": MIDDLE,
        "voyage-2": MIDDLE,
    },
)
