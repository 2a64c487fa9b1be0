"""``voyage``: Voyage AI's text embeddings.

Queries and documents are told apart by ``input_type``, for which Voyage writes a prompt before the text.
``truncation`` is off, so that a text beyond the model's length is refused. Vectors have unit length and come as
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
from typing import Any, Literal

from aembed._errors import BatchTooLargeError, ModelNotFoundError, TextTooLongError
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

BASE_URL = "https://api.voyageai.com/v1"
ATLAS_URL = "https://ai.mongodb.com/v1"
DEFAULT_MODEL = "voyage-4"


def _model(
    price: float, max_batch_tokens: int, *, choice: bool = True, max_text_tokens: int = 32_000, dim: int = 1024
) -> Model:
    return Model(
        dim=dim,
        offers=(256, 512, 1024, 2048) if choice else (),
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


class VoyageOptions(Settings):
    """``provider_options`` of ``voyage``."""

    input_type: Literal["query", "document", "none"] | None = None
    """The same for all texts; ``"none"`` embeds them without a prompt. Not set: as each text is used."""


ERRORS = Dialect(
    read=read_error,
    meanings=(
        (r"model .{1,80}(not supported|not found|does not exist)|not a valid model", ModelNotFoundError),
        (r"tokens per submitted batch|TOO_MANY_TOKENS_IN_BATCH|batch size|number of inputs", BatchTooLargeError),
        (r"has too many tokens|context (window|length)", TextTooLongError),
        (r"at most \d+ items|list (length|is too long)", BatchTooLargeError),
    ),
)


async def open_provider(source: Source) -> Provider:
    """``"voyage:MODEL"``; no model means voyage-4. ``provider_options`` are the fields of :class:`VoyageOptions`."""
    base_url = BASE_URL
    if is_own_host("voyage", source.base_url) and require_key(source, "VOYAGE_API_KEY").startswith("al-"):
        base_url = ATLAS_URL
    model = source.model or DEFAULT_MODEL
    source = with_dimensions(source, model, MODELS)
    options = VoyageOptions.from_table(source.options)

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body = {"model": model, "input": texts, "truncation": False, **asked.fields(dimensions="output_dimension")}
        if options.input_type != "none":
            body["input_type"] = options.input_type or kind
        return body

    api = Api(
        url=endpoint(source, base_url, "/embeddings"),
        headers=bearer(source),
        request=request,
        shape=EMBEDDING_LIST,
        dialect=ERRORS,
    )
    known = MODELS.get(model, UNKNOWN)
    spec = describe(source, model, known, max_batch_texts=1000, max_batch_tokens=120_000, quota_scope="model")
    return HttpProvider(api, spec, source)
