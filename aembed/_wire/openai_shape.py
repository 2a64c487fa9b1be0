"""The reply that OpenAI gave first and many servers give since: ``{"data": [{"index", "embedding"}], "usage"}``.

Source: https://platform.openai.com/docs/api-reference/embeddings/object
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aembed._errors import BatchTooLargeError, ModelNotFoundError, QuotaExhaustedError, TextTooLongError
from aembed._wire.decode import Placed, Shape, token_count
from aembed._wire.refusal import Dialect, Said


class Item(msgspec.Struct):
    embedding: str | list[float] | None = None
    index: int | None = None


class EmbeddingList(msgspec.Struct):
    data: list[Item]
    usage: Any = None


def places(reply: EmbeddingList) -> Sequence[Placed]:
    return [
        (position if item.index is None else item.index, item.embedding) for position, item in enumerate(reply.data)
    ]


def tokens(reply: EmbeddingList) -> int | None:
    if not isinstance(reply.usage, dict):
        return None
    total = token_count(reply.usage.get("total_tokens"))
    return token_count(reply.usage.get("prompt_tokens")) if total is None else total


def read_error(body: Any) -> Said:
    """``{"error": {"message", "type", "code"}}``; servers that speak the dialect loosely leave parts out."""
    error = body.get("error", body)
    if isinstance(error, str):
        return Said(words=error)
    code = " ".join(str(error[name]) for name in ("type", "code") if error.get(name) is not None)
    return Said(code, str(error.get("message") or error.get("detail") or ""))


EMBEDDING_LIST = Shape(EmbeddingList, places, tokens, base64_key=b'"embedding"')

OPENAI_ERRORS = Dialect(
    read=read_error,
    meanings=(
        (r"insufficient_quota|billing_hard_limit|billing_not_active", QuotaExhaustedError),
        (r"model_not_found|model .{1,80} (does not exist|not found)", ModelNotFoundError),
        (
            r"max_tokens_per_request|array.{0,40}too (long|large)|batch size|at most \d+ (inputs|texts)",
            BatchTooLargeError,
        ),
        (r"maximum (context|input) length|context.length|input.{0,20}too (long|large)", TextTooLongError),
    ),
)
