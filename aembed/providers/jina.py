"""``jina``: Jina AI's text embeddings.

``task`` keeps queries and documents apart. ``truncate`` is off, so that the server rejects a text beyond the model's
length. Vectors have unit length (``normalized``) and come as base64 of float32. Jina sells tokens in packets, so
models have no price here.

Sources: https://api.jina.ai/openapi.json and https://api.jina.ai/redoc (parameters, error codes, rate limits),
https://jina.ai/api-dashboard/rate-limit (they are a key's, for all embedding models together), https://jina.ai/models
(dimensions, lengths of each model), the model cards of jina-embeddings-v3 and v4 (tasks), vechord ``jina.py`` (base64
is float32). Errors: ``{"detail": {"message", "code", "request_id"}}`` with INPUT_TOKEN_LIMIT_EXCEEDED as recorded from
the API, 403 AUTHZ_INSUFFICIENT_BALANCE; "input length is larger than the largest allowed size 2048" from refly issue
831, "can contain at most 512 items" of v4 from dify-official-plugins issue 1997. The tasks of jina-code-embeddings are
(unconfirmed).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import BatchTooLargeError, ModelNotFoundError, QuotaExhaustedError, TextTooLongError
from aembed.http import ErrorDialect, HostedModel, HttpApi, ProviderOptions, RequestFeatures, openai_error

V2 = HostedModel(dim=768, max_text_tokens=8192)
SMALL = HostedModel(dim=1024, dimensions=(32, 64, 128, 256, 512, 1024), max_text_tokens=32_768)
NANO = HostedModel(dim=768, dimensions=(32, 64, 128, 256, 512, 768), max_text_tokens=8192)

MODELS = {
    "jina-embeddings-v5-text-small": SMALL,
    "jina-embeddings-v5-text-nano": NANO,
    "jina-embeddings-v5-omni-small": SMALL,
    "jina-embeddings-v5-omni-nano": NANO,
    "jina-embeddings-v4": HostedModel(
        dim=2048, dimensions=(128, 256, 512, 1024, 2048), max_text_tokens=32_768, max_batch_texts=512
    ),
    "jina-embeddings-v3": HostedModel(dim=1024, dimensions=range(32, 1025), max_text_tokens=8192),
    "jina-code-embeddings-1.5b": HostedModel(dim=1536, dimensions=(128, 256, 512, 1024, 1536), max_text_tokens=32_768),
    "jina-code-embeddings-0.5b": HostedModel(dim=896, dimensions=(64, 128, 256, 512, 896), max_text_tokens=32_768),
    "jina-embeddings-v2-base-en": V2,
    "jina-embeddings-v2-base-de": V2,
    "jina-embeddings-v2-base-es": V2,
    "jina-embeddings-v2-base-zh": V2,
    "jina-embeddings-v2-base-code": V2,
}

PAIRED = {"retrieval", "code", "nl2code", "qa", "code2code", "code2nl", "code2completion"}
"""Tasks with a side for queries and a side for documents, which Jina calls passages."""


class JinaOptions(ProviderOptions):
    """``provider_options`` of ``jina``."""

    task: str | None = None
    """``"text-matching"``, ``"classification"``, ``"code"``, ...: what the model's page lists, without ``.query`` or
    ``.passage``, which follow from how each text is used; ``"none"`` sends none. Not set: retrieval (of code, for a
    model of code)."""


ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"INSUFFICIENT_BALANCE|insufficient.{0,20}balance", QuotaExhaustedError),
        (r"MODEL_NOT_FOUND|model .{1,80} not found", ModelNotFoundError),
        (r"largest allowed size|batch size|at most \d+ items", BatchTooLargeError),
        (r"INPUT_TOKEN_LIMIT|exceeds (the )?(model's )?maximum (of|length)", TextTooLongError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    body = {"model": features.model, "input": texts, "truncate": False, "normalized": True}
    options: JinaOptions = features.options
    task = options.task or usual_task(features.model)
    if task in PAIRED:
        body["task"] = f"{task}.{'query' if features.kind == 'query' else 'passage'}"
    elif task != "none":
        body["task"] = task
    return body | features.fields(base64="embedding_type")


def usual_task(model: str) -> str:
    if "-v2" in model or "-v1" in model:
        return "none"  # these models have no tasks
    return "nl2code" if model.startswith("jina-code-") else "retrieval"


JINA = HttpApi(
    about="Jina AI's text embeddings.",
    key_variables=("JINA_API_KEY",),
    base_url="https://api.jina.ai/v1",
    request=request,
    errors=ERRORS,
    options=JinaOptions,
    models=MODELS,
    default_model="jina-embeddings-v3",
    max_batch_texts=2048,
    max_concurrency=5,
)
