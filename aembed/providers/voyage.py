"""``voyage``: Voyage AI's text embeddings.

``input_type`` keeps queries and documents apart: Voyage adds a prompt to each text. ``truncation`` is off, so that the
server rejects a text beyond the model's length. Vectors have unit length and come as
base64 of float32. A key that was made in MongoDB Atlas (``al-...``) belongs to Atlas' host, and is sent there.

Sources: https://docs.voyageai.com/reference/embeddings-api and
https://www.mongodb.com/docs/api/doc/atlas-embedding-and-reranking-api (parameters, 1000 texts, tokens a request by
model), https://docs.voyageai.com/docs/embeddings and /docs/pricing by way of litellm's table (dimensions, lengths,
prices), /docs/error-codes, voyageai-python 0.5 ``util.py`` (hosts, base64 of float32) and ``api_requestor.py``
(``{"detail"}``). Wording of errors: aichat pull request 825 ("max allowed tokens per submitted batch"), and a
recording of "has too many tokens and does not fit into the model's context window". The tokens a request may have for
voyage-code-4 are (unconfirmed). Older models: dimensions and lengths by bellman's ``voyageai`` package and griptape's
tokenizer, prices by thenile.dev and litellm's table; the tokens a request may have are (unconfirmed) for them. Limits
are by model: https://docs.voyageai.com/docs/rate-limits and
https://www.mongodb.com/docs/voyageai/management/rate-limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from aembed._errors import BatchTooLargeError, ModelNotFoundError, TextTooLongError
from aembed._types import Source
from aembed.http import ErrorDialect, HostedModel, HttpApi, ProviderOptions, RequestFeatures, openai_error

ATLAS_URL = "https://ai.mongodb.com/v1"


def _model(
    price: float, max_batch_tokens: int, *, choice: bool = True, max_text_tokens: int = 32_000, dim: int = 1024
) -> HostedModel:
    return HostedModel(
        dim=dim,
        dimensions=(256, 512, 1024, 2048) if choice else (),
        max_text_tokens=max_text_tokens,
        max_batch_tokens=max_batch_tokens,
        price=price,
    )


MODELS = {
    "voyage-4-large": _model(0.12, 120_000),
    "voyage-4": _model(0.06, 320_000),
    "voyage-4-lite": _model(0.02, 1_000_000),
    "voyage-code-4": _model(0.12, 120_000),
    "voyage-3-large": _model(0.18, 120_000),
    "voyage-3.5": _model(0.06, 320_000),
    "voyage-3.5-lite": _model(0.02, 1_000_000),
    "voyage-code-3": _model(0.18, 120_000),
    "voyage-finance-2": _model(0.12, 120_000, choice=False),
    "voyage-law-2": _model(0.12, 120_000, choice=False, max_text_tokens=16_000),
    "voyage-3": _model(0.06, 320_000, choice=False),
    "voyage-3-lite": _model(0.02, 1_000_000, choice=False, dim=512),
    "voyage-multilingual-2": _model(0.12, 120_000, choice=False),
    "voyage-large-2-instruct": _model(0.12, 120_000, choice=False, max_text_tokens=16_000),
    "voyage-large-2": _model(0.12, 120_000, choice=False, max_text_tokens=16_000, dim=1536),
    "voyage-code-2": _model(0.12, 120_000, choice=False, max_text_tokens=16_000, dim=1536),
    "voyage-2": _model(0.10, 320_000, choice=False, max_text_tokens=4000),
}


class VoyageOptions(ProviderOptions):
    """``provider_options`` of ``voyage``."""

    input_type: Literal["query", "document", "none"] | None = None
    """The same for all texts; ``"none"`` embeds them without a prompt. Not set: as each text is used."""


ERRORS = ErrorDialect(
    parse=openai_error,
    patterns=(
        (r"model .{1,80}(not supported|not found|does not exist)|not a valid model", ModelNotFoundError),
        (r"tokens per submitted batch|TOO_MANY_TOKENS_IN_BATCH|batch size|number of inputs", BatchTooLargeError),
        (r"has too many tokens|context (window|length)", TextTooLongError),
        (r"at most \d+ items|list (length|is too long)", BatchTooLargeError),
    ),
)


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    options: VoyageOptions = features.options
    body = {
        "model": features.model,
        "input": texts,
        "truncation": False,
        **features.fields(dimensions="output_dimension"),
    }
    if options.input_type != "none":
        body["input_type"] = options.input_type or features.kind
    return body


def host_of_key(api: HttpApi, source: Source) -> HttpApi:
    """Keys made in MongoDB Atlas work on its host only."""
    key = "" if source.api_key is None else source.api_key.get_secret_value()
    return replace(api, base_url=ATLAS_URL) if key.startswith("al-") else api


VOYAGE = HttpApi(
    about="Voyage AI's text embeddings.",
    key_variables=("VOYAGE_API_KEY",),
    key_file_variables=("VOYAGE_API_KEY_PATH",),
    own_hosts=("api.voyageai.com", "ai.mongodb.com"),
    base_url="https://api.voyageai.com/v1",
    adapt=host_of_key,
    request=request,
    errors=ERRORS,
    options=VoyageOptions,
    models=MODELS,
    default_model="voyage-4",
    max_batch_texts=1000,
    max_batch_tokens=120_000,
    quota_scope="model",
)
