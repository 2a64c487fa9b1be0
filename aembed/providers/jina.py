"""``jina``: Jina AI's text embeddings.

Queries and documents are told apart by ``task``. ``truncate`` is off, so that a text beyond the model's length is
refused. Vectors have unit length (``normalized``) and come as base64 of float32. Jina sells tokens in packets, so
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
from aembed._settings.base import Settings
from aembed._settings.hosts import is_own_host
from aembed._types import Kind, Provider, Source
from aembed._wire.access import bearer, require_key
from aembed._wire.api import Api, Asked
from aembed._wire.catalogue import UNKNOWN, Model, describe, with_dimensions
from aembed._wire.endpoint import endpoint
from aembed._wire.openai_shape import EMBEDDING_LIST, read_error
from aembed._wire.provider import HttpProvider
from aembed._wire.refusal import Dialect

BASE_URL = "https://api.jina.ai/v1"
DEFAULT_MODEL = "jina-embeddings-v3"

V2 = Model(dim=768, max_text_tokens=8192)
SMALL = Model(dim=1024, offers=(32, 64, 128, 256, 512, 1024), max_text_tokens=32_768)
NANO = Model(dim=768, offers=(32, 64, 128, 256, 512, 768), max_text_tokens=8192)

MODELS = {
    "jina-embeddings-v5-text-small": SMALL,
    "jina-embeddings-v5-text-nano": NANO,
    "jina-embeddings-v5-omni-small": SMALL,
    "jina-embeddings-v5-omni-nano": NANO,
    "jina-embeddings-v4": Model(
        dim=2048, offers=(128, 256, 512, 1024, 2048), max_text_tokens=32_768, max_batch_texts=512
    ),
    "jina-embeddings-v3": Model(dim=1024, offers=range(32, 1025), max_text_tokens=8192),
    "jina-code-embeddings-1.5b": Model(dim=1536, offers=(128, 256, 512, 1024, 1536), max_text_tokens=32_768),
    "jina-code-embeddings-0.5b": Model(dim=896, offers=(64, 128, 256, 512, 896), max_text_tokens=32_768),
    "jina-embeddings-v2-base-en": V2,
    "jina-embeddings-v2-base-de": V2,
    "jina-embeddings-v2-base-es": V2,
    "jina-embeddings-v2-base-zh": V2,
    "jina-embeddings-v2-base-code": V2,
}

PAIRED = {"retrieval", "code", "nl2code", "qa", "code2code", "code2nl", "code2completion"}
"""Tasks with a side for queries and a side for documents, which Jina calls passages."""


class JinaOptions(Settings):
    """``provider_options`` of ``jina``."""

    task: str | None = None
    """``"text-matching"``, ``"classification"``, ``"code"``, ...: what the model's page lists, without ``.query`` or
    ``.passage``, which follow from how each text is used; ``"none"`` sends none. Not set: retrieval (of code, for a
    model of code)."""


ERRORS = Dialect(
    read=read_error,
    meanings=(
        (r"INSUFFICIENT_BALANCE|insufficient.{0,20}balance", QuotaExhaustedError),
        (r"MODEL_NOT_FOUND|model .{1,80} not found", ModelNotFoundError),
        (r"largest allowed size|batch size|at most \d+ items", BatchTooLargeError),
        (r"INPUT_TOKEN_LIMIT|exceeds (the )?(model's )?maximum (of|length)", TextTooLongError),
    ),
)


async def open_provider(source: Source) -> Provider:
    """``"jina:MODEL"``; no model means jina-embeddings-v3. ``provider_options``: see :class:`JinaOptions`."""
    if is_own_host("jina", source.base_url):
        require_key(source, "JINA_API_KEY")
    model = source.model or DEFAULT_MODEL
    source = with_dimensions(source, model, MODELS)
    task = JinaOptions.from_table(source.options).task or _usual_task(model)
    task = None if task == "none" else task

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body = {"model": model, "input": texts, "truncate": False, "normalized": True}
        if task is not None:
            body["task"] = f"{task}.{'query' if kind == 'query' else 'passage'}" if task in PAIRED else task
        return body | asked.fields(base64="embedding_type")

    api = Api(
        url=endpoint(source, BASE_URL, "/embeddings"),
        headers=bearer(source),
        request=request,
        shape=EMBEDDING_LIST,
        dialect=ERRORS,
    )
    spec = describe(source, model, MODELS.get(model, UNKNOWN), max_batch_texts=2048, max_concurrency=5)
    return HttpProvider(api, spec, source)


def _usual_task(model: str) -> str | None:
    if "-v2" in model or "-v1" in model:
        return None  # they have none
    return "nl2code" if model.startswith("jina-code-") else "retrieval"
