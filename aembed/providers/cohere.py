"""``cohere``: Cohere's embed API, version 2.

``input_type`` keeps queries and documents apart. ``truncate`` is NONE, so that the server rejects a text beyond the
model's length. Vectors are requested as base64 if the model's dimension is known, so that they can be checked, and as
numbers otherwise; the reply repeats the texts. The usage is that of the bill. The v5 models share one vector space.

Sources: https://docs.cohere.com/reference/embed and cohere-python 7.3 ``v2/client.py`` (parameters; 96 texts a
request), ``types/embed_by_type_response_embeddings.py`` ("the float embedding bytes together", base64-encoded; that
these are four bytes each, little-endian, is (unconfirmed), and numbers are requested if they are not), ``errors``
(498 and 499); https://docs.cohere.com/docs/cohere-embed (dimensions, lengths), https://cohere.com/pricing by way of
litellm's table (v3 models have no published price any more). Errors: "total number of texts must be at most 96" from
RAGTune issue 2; "too many tokens: ..." is the wording of other endpoints on docs.cohere.com (unconfirmed for embed).
128,000 tokens for all texts of a request is Oracle's figure for the same models (unconfirmed for Cohere's own API).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from aembed._errors import BadTextError, BatchTooLargeError, ModelNotFoundError, QuotaExhaustedError, TextTooLongError
from aembed.http import (
    ErrorDialect,
    HostedModel,
    HttpApi,
    ProviderOptions,
    QuotaHeaders,
    ReplyFormat,
    RequestFeatures,
    VectorPositions,
    openai_error,
    token_count,
    with_path,
)

long = partial(HostedModel, max_text_tokens=128_000, max_batch_tokens=128_000)

MODELS = {
    "embed-v5.0-pro": long(dim=2048, dimensions=(256, 512, 768, 1024, 1536, 2048), price=0.12),
    "embed-v5.0-fast": long(dim=2048, dimensions=(256, 512, 768, 1024, 1536, 2048), price=0.08),
    "embed-v4.0": long(dim=1536, dimensions=(256, 512, 1024, 1536), price=0.12),
    "embed-english-v3.0": HostedModel(dim=1024, max_text_tokens=512),
    "embed-multilingual-v3.0": HostedModel(dim=1024, max_text_tokens=512),
    "embed-english-light-v3.0": HostedModel(dim=384, max_text_tokens=512),
    "embed-multilingual-light-v3.0": HostedModel(dim=384, max_text_tokens=512),
}


class CohereOptions(ProviderOptions):
    """``provider_options`` of ``cohere``."""

    input_type: Literal["classification", "clustering"] | None = None
    """Purpose of the vectors. Not set: search, which keeps queries and documents apart."""


class ByType(msgspec.Struct):
    float_: list[list[float] | None] | None = msgspec.field(default=None, name="float")
    base64: list[str | list[float] | None] | None = None
    """Numbers if a gateway ignores the requested encoding."""


class CohereReply(msgspec.Struct):
    embeddings: ByType
    meta: Any = None


def vector_positions(reply: CohereReply) -> VectorPositions:
    found = reply.embeddings
    vectors = found.float_ or () if found.base64 is None else found.base64
    return range(len(vectors)), vectors


def tokens(reply: CohereReply) -> int | None:
    billed = reply.meta.get("billed_units") if isinstance(reply.meta, dict) else None
    return token_count(billed.get("input_tokens")) if isinstance(billed, dict) else None


EMBEDDINGS = ReplyFormat(CohereReply, vector_positions, tokens, base64_key="base64")

ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"(/|per) ?month|payment method", QuotaExhaustedError),
        (r"model .{1,80} not found|no such model", ModelNotFoundError),
        (r"number of (texts|inputs)|request (size|body).{0,20}too large", BatchTooLargeError),
        (r"too many tokens|too long|exceed.{0,40}tokens|maximum.{0,20}(tokens|length)", TextTooLongError),
    ),
    statuses={498: BadTextError},  # a token of the text is on Cohere's deny list
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    """Base64 is requested only of models whose dimension is known, so that a wrong length shows."""
    options: CohereOptions = features.options
    return {
        "model": features.model,
        "texts": texts,
        "input_type": options.input_type or f"search_{features.kind}",
        "embedding_types": ["base64" if features.base64 and features.model in MODELS else "float"],
        "truncate": "NONE",
        **features.fields(base64=None, dimensions="output_dimension"),
    }


COHERE = HttpApi(
    about="Cohere's embed API, version 2.",
    key_variables=("CO_API_KEY", "COHERE_API_KEY"),
    base_url_variable="CO_API_URL",
    as_base_url=with_path("/v2"),
    own_hosts=("api.cohere.com", "api.cohere.ai"),
    base_url="https://api.cohere.com/v2",
    path="/embed",
    request=request,
    reply=EMBEDDINGS,
    errors=ERRORS,
    options=CohereOptions,
    models=MODELS,
    default_model="embed-v4.0",
    max_batch_texts=96,
    # of all embedding models together, for trial and production keys alike: https://docs.cohere.com/v2/docs/rate-limits
    inputs_per_minute=2000,
    # Only for trial keys and not with a 429: seen in replies of 2026, and in Elasticsearch's CohereResponseHandler.
    # The documentation names no header.
    quota_headers=(QuotaHeaders("x-trial-endpoint-call-{}"),),
)
