"""The reply that OpenAI gave first and many servers give since: ``{"data": [{"index", "embedding"}], "usage"}``.

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
from aembed._wire.decode import Places, Shape, token_count
from aembed._wire.refusal import Dialect, Said, read_detail


class Item(msgspec.Struct, gc=False):
    embedding: str | list[float] | None = None
    index: int | None = None


class EmbeddingList(msgspec.Struct):
    data: list[Item]
    usage: Any = None


def places(reply: EmbeddingList) -> Places:
    indices = [position if item.index is None else item.index for position, item in enumerate(reply.data)]
    return indices, [item.embedding for item in reply.data]


def tokens(reply: EmbeddingList) -> int | None:
    if not isinstance(reply.usage, dict):
        return None
    total = token_count(reply.usage.get("total_tokens"))
    return token_count(reply.usage.get("prompt_tokens")) if total is None else total


def read_error(body: Any) -> Said:
    """``{"error": {"message", "type", "code", "param"}}``; servers that speak the dialect loosely leave parts out.

    vLLM and Mistral have the parts at the top, FastAPI servers say ``detail``, Google wraps all of it in a list.
    """
    if isinstance(body, list):
        body = body[0]
    error = body.get("error") or body
    if isinstance(error, str):
        return Said(str(body.get("error_type") or ""), error)
    message = error.get("message") or error.get("detail")
    if isinstance(message, dict):
        message = message.get("detail", message)
    said = read_detail(message)
    code = " ".join(str(error[name]) for name in ("type", "code", "param") if error.get(name) is not None)
    param = error.get("param")
    fields = (param,) if isinstance(param, str) and param not in {"", "None"} else said.fields
    said = replace(said, code=f"{code} {said.code}".strip(), fields=fields)
    return said.with_faults(error.get("errors"))


EMBEDDING_LIST = Shape(EmbeddingList, places, tokens, base64_key=b'"embedding"')

OPENAI_ERRORS = Dialect(
    read=read_error,
    meanings=(
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
