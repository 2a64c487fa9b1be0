"""``google``: Gemini's embeddings through the Gemini API (Google AI Studio's keys, not Vertex AI).

``batchEmbedContents`` takes one request for each text, so that each gets its vector. ``taskType`` names the purpose of
the vectors for gemini-embedding-001; later models read it in a prefix of the text. Vectors of 3072 have unit length;
gemini-embedding-001 leaves shorter ones unscaled: use ``normalize=True`` with them.

The Gemini API has no parameter against truncation (``autoTruncate`` is Vertex AI's), and whether it rejects or
truncates a text beyond the model's length is (unconfirmed). Only the server can count tokens. A text that looks too
long is sent alone, and a usage of the model's limit then counts as truncation.

Sources: https://ai.google.dev/api/embeddings and https://ai.google.dev/gemini-api/docs/embeddings (methods, 128 to 3072
dimensions, task types), https://docs.znapai.com/gemini-embedding (repeats which vectors are scaled, and Google's table
of the words before texts), python-genai 3.4 ``models.py`` and ``types.py`` (the path and fields for API keys,
``autoTruncate`` rejected, ``usageMetadata``),
https://ai.google.dev/gemini-api/docs/pricing by way of litellm's table. Errors: "at most 100 requests can be in one
batch" (gel issue 9032), "Request payload size exceeds the limit", "API key not valid" with status 400, ``RetryInfo``
(google.rpc.error_details) in ``details``. The body's limit of 4 MiB is (unconfirmed), and left to the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal

import msgspec

from aembed._errors import AuthenticationError, BatchTooLargeError, ModelNotFoundError, TextTooLongError
from aembed._types import Kind
from aembed.http import (
    ErrorBody,
    ErrorDialect,
    HostedModel,
    HttpApi,
    ProviderOptions,
    ReplyFormat,
    RequestFeatures,
    VectorPositions,
    duration,
    openai_error,
    quota_scope,
    token_count,
    with_path,
)

MODELS = {
    "gemini-embedding-001": HostedModel(dim=3072, dimensions=range(128, 3073), max_text_tokens=2048, price=0.15),
    "gemini-embedding-2": HostedModel(dim=3072, dimensions=range(128, 3073), max_text_tokens=8192, price=0.20),
}

TASKS = {
    "retrieval": ("RETRIEVAL_QUERY", "search result"),
    "question_answering": ("QUESTION_ANSWERING", "question answering"),
    "fact_verification": ("FACT_VERIFICATION", "fact checking"),
    "code_retrieval": ("CODE_RETRIEVAL_QUERY", "code retrieval"),
    "classification": ("CLASSIFICATION", "classification"),
    "clustering": ("CLUSTERING", "clustering"),
    "semantic_similarity": ("SEMANTIC_SIMILARITY", "sentence similarity"),
}
"""Purpose of queries: the ``taskType`` of gemini-embedding-001, and the words that later models read."""

SYMMETRIC = {"classification", "clustering", "semantic_similarity"}
"""Tasks that treat documents and queries alike. In the others, documents are what queries search."""


class GoogleOptions(ProviderOptions):
    """``provider_options`` of ``google``."""

    task: Literal[
        "retrieval",
        "question_answering",
        "fact_verification",
        "code_retrieval",
        "classification",
        "clustering",
        "semantic_similarity",
        "none",
    ] = "retrieval"
    """Purpose of the vectors. ``"none"``: no purpose, and no prefix."""


class Values(msgspec.Struct, gc=False):
    values: list[float] | None = None


class GoogleReply(msgspec.Struct):
    embeddings: list[Values]
    usage: Any = msgspec.field(default=None, name="usageMetadata")


def vector_positions(reply: GoogleReply) -> VectorPositions:
    return range(len(reply.embeddings)), [item.values for item in reply.embeddings]


def tokens(reply: GoogleReply) -> int | None:
    """The usage; the API reports 0 if it has not counted."""
    return (token_count(reply.usage.get("promptTokenCount")) or None) if isinstance(reply.usage, dict) else None


EMBEDDINGS = ReplyFormat(GoogleReply, vector_positions, tokens)


def parse(body: Any) -> ErrorBody:
    read = openai_error(body)
    error = (body[0] if isinstance(body, list) else body).get("error")
    if not isinstance(error, dict):
        return read
    details = [item for item in error.get("details") or () if isinstance(item, dict)]
    delay = next((str(item["retryDelay"]) for item in details if "retryDelay" in item), None)
    scope = _used_up(details)
    wait = None if scope == "day" else duration(delay)  # the API names seconds even if the quota of the day is used up
    return ErrorBody(f"{error.get('status', '')} {read.code}", read.message, wait, scope)


def _used_up(details: list[dict[str, Any]]) -> Literal["minute", "day"] | None:
    """The period of the longest quota that a ``QuotaFailure`` names, as ``EmbedContentRequestsPerDayPer...``."""
    violations = chain.from_iterable(item["violations"] for item in details if isinstance(item.get("violations"), list))
    names = [str(each.get("quotaId")) for each in violations if isinstance(each, dict)]
    scopes = {quota_scope(name, {}) for name in names}
    return "day" if "day" in scopes else "minute" if "minute" in scopes else None


ERRORS = ErrorDialect(
    parse=parse,
    patterns=(
        (r"API.key (not valid|expired|not found)|API_KEY_INVALID", AuthenticationError),
        (r"models?/\S+ is not (found|supported)", ModelNotFoundError),
        (r"at most \d+ requests|payload size|number of requests", BatchTooLargeError),
        (r"token count.{0,60}(exceeds|supports)|maximum number of tokens|too (long|many tokens)", TextTooLongError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    model, options = features.model, features.options
    purpose, prefix = task_of(model, options.task, features.kind)
    same = {"model": f"models/{model}", **purpose, **features.fields(dimensions="outputDimensionality")}
    return {"requests": [{**same, "content": {"parts": [{"text": prefix + text}]}} for text in texts]}


def task_of(model: str, task: str, kind: Kind) -> tuple[dict[str, str], str]:
    """The fields and the prefix of the text that name the purpose of the vectors."""
    if task == "none":
        return {}, ""
    task_type, words = TASKS[task]
    as_query = kind == "query" or task in SYMMETRIC
    if model == "gemini-embedding-001":
        return {"taskType": task_type if as_query else "RETRIEVAL_DOCUMENT"}, ""
    return {}, f"task: {words} | query: " if as_query else "title: none | text: "


GOOGLE = HttpApi(
    about="Gemini's embeddings through the Gemini API (Google AI Studio's keys, not Vertex AI).",
    key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    base_url_variable="GOOGLE_GEMINI_BASE_URL",
    as_base_url=with_path("/v1beta"),
    base_url="https://generativelanguage.googleapis.com/v1beta",
    path="/models/{model}:batchEmbedContents",
    url_endings=("/models", "/openai"),
    key_header="x-goog-api-key",
    request=request,
    reply=EMBEDDINGS,
    errors=ERRORS,
    options=GoogleOptions,
    models=MODELS,
    default_model="gemini-embedding-001",
    model_prefix="models/",
    max_batch_texts=100,
    truncates_silently=True,
    # https://ai.google.dev/gemini-api/docs/rate-limits: by project and model; that a text counts as a request is
    # (unconfirmed), from reports of 429s
    quota_unit="input",
    quota_scope="model",
)
