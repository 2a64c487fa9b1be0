"""Replies and errors of OpenAI's API, which many servers copy: ``{"data": [{"index", "embedding"}], "usage"}``.

Source: https://platform.openai.com/docs/api-reference/embeddings/object
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from aembed._errors import (
    AuthenticationError,
    BatchTooLargeError,
    ModelNotFoundError,
    QuotaExhaustedError,
    TextTooLongError,
)
from aembed._wire.api_errors import ErrorDialect
from aembed._wire.error_body import ErrorBody, fastapi_error
from aembed._wire.reply_format import ReplyFormat, VectorPositions, token_count


class Item(msgspec.Struct, gc=False):
    embedding: str | list[float] | None = None
    index: int | None = None


class EmbeddingList(msgspec.Struct):
    data: list[Item]
    usage: Any = None


def vector_positions(reply: EmbeddingList) -> VectorPositions:
    indices = [position if item.index is None else item.index for position, item in enumerate(reply.data)]
    return indices, [item.embedding for item in reply.data]


def tokens(reply: EmbeddingList) -> int | None:
    if not isinstance(reply.usage, dict):
        return None
    total = token_count(reply.usage.get("total_tokens"))
    return token_count(reply.usage.get("prompt_tokens")) if total is None else total


def openai_error(body: Any) -> ErrorBody:
    """Reads ``{"error": {"message", "type", "code", "param"}}`` and the variants of it that other servers send.

    vLLM and Mistral have the parts at the top, FastAPI servers send ``detail``, Google wraps all of it in a list.
    """
    if isinstance(body, list):
        body = body[0]
    error = body.get("error") or body
    if isinstance(error, str):
        return ErrorBody(str(body.get("error_type") or ""), error)
    message = error.get("message") or error.get("detail")
    if isinstance(message, dict):
        message = message.get("detail", message)
    detail = fastapi_error(message)
    code = " ".join(str(error[name]) for name in ("type", "code", "param") if error.get(name) is not None)
    param = error.get("param")
    fields = (param,) if isinstance(param, str) and param not in {"", "None"} else detail.fields
    read = replace(detail, code=f"{code} {detail.code}".strip(), fields=fields)
    return read.with_faults(error.get("errors"))


OPENAI_REPLY = ReplyFormat(EmbeddingList, vector_positions, tokens, base64_key="embedding")

OPENAI_ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (
            r"insufficient_quota|billing_hard_limit|billing_not_active|arrearage|balance.{0,20}insufficient"
            r"|insufficient.{0,20}(balance|credit|quota)",
            QuotaExhaustedError,
        ),
        (r"model_not_found|invalid.model|model .{1,80}(does not exist|not found)", ModelNotFoundError),
        # LiteLLM's proxy knows its master key only, and looks for all others in a database
        (r"no_db_connection", AuthenticationError),
        (r"context.?window", TextTooLongError),  # of one text; LiteLLM and others
        # llama.cpp names its own batch, of tokens of one text
        (r"too large to process|larger than the max context|exceed_context|available context", TextTooLongError),
        (
            r"max_tokens_per_request|tokens per request|request too large|too many (inputs|tokens|texts)|more batches"
            r"|array.{0,40}too (long|large)|array length must"
            r"|batch.?size|at most \d+ (inputs|items|texts|elements)|largest allowed size",
            BatchTooLargeError,
        ),
        (
            r"(maximum|exceeds the) (context|input) length|context.length|input.{0,20}too (long|large)"
            r"|exceeding max \d+ tokens|at most \d+ characters|less than \d+ (tokens|characters)",
            TextTooLongError,
        ),
    ),
)
