"""``openai``: OpenAI's API, and every server that speaks it, through ``base_url``.

vLLM, LM Studio, llama.cpp, Infinity, LiteLLM, Together, DeepInfra, DashScope and others answer the same request. A
server of one's own needs no key. Vectors are asked for as base64 and accepted as numbers too; what a server refuses
to be asked (``encoding_format``, ``dimensions``) is left out from then on; a batch that is too large for it is halved
(DashScope takes 10 texts, SiliconFlow 64: ``batch_size`` saves the asking).

OpenAI's vectors have unit length. A text beyond the model's length is refused, never cut.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create (2048 inputs, 300,000 tokens a request, 8192
a text, ``dimensions`` on v3 models), https://platform.openai.com/docs/pricing,
https://developers.openai.com/api/docs/guides/rate-limits (each model has limits of its own; that some families share
theirs is said of no embedding model); errors of other servers: vLLM issue
15465, llama.cpp pull requests 7389 and 10030, Hugging Face TEI openapi.json, memobase issue 142 (DashScope).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aembed._errors import ConfigError
from aembed._settings.hosts import is_own_host
from aembed._types import Kind, ModelSpec, Provider, Source
from aembed._wire.access import bearer, require_key
from aembed._wire.api import Api, Asked
from aembed._wire.catalogue import UNKNOWN, Model, describe, with_dimensions
from aembed._wire.endpoint import endpoint, with_version
from aembed._wire.matryoshka import checked_dimensions
from aembed._wire.openai_shape import EMBEDDING_LIST, OPENAI_ERRORS
from aembed._wire.prompts import Prompts
from aembed._wire.provider import HttpProvider

BASE_URL = "https://api.openai.com/v1"

MODELS = {
    "text-embedding-3-small": Model(dim=1536, offers=range(1, 1537), price=0.02),
    "text-embedding-3-large": Model(dim=3072, offers=range(1, 3073), price=0.13),
    "text-embedding-ada-002": Model(dim=1536, price=0.10),
}


async def open_provider(source: Source) -> Provider:
    """``"openai:MODEL"``; no model means text-embedding-3-small, unless ``base_url`` is given.

    ``provider_options`` are those of :class:`Prompts`.
    """
    model = source.model
    is_openai = is_own_host("openai", source.base_url)
    if is_openai:
        model = model or "text-embedding-3-small"
        require_key(source, "OPENAI_API_KEY")
        source = with_dimensions(source, model, MODELS)
    if model is None:
        raise ConfigError("name the model this server has: 'openai:MODEL'")
    dim = source.dimensions
    if not is_openai:
        source = checked_dimensions(source, model)
    prompts = Prompts.from_table(source.options)

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        return {"model": model, "input": prompts.before(texts, kind), **asked.fields()}

    url = endpoint(source, BASE_URL, "/embeddings")
    api = Api(
        url=url,
        url_with_version=with_version(url),
        headers=bearer(source),
        request=request,
        shape=EMBEDDING_LIST,
        dialect=OPENAI_ERRORS,
        echoes_model=True,
    )
    if is_openai:
        spec = openai_spec(source, model, MODELS.get(model, UNKNOWN))
    else:
        spec = ModelSpec(name=model, provider=source.provider, dim=dim, max_batch_texts=source.batch_size or 128)
    return HttpProvider(api, spec, source)


def openai_spec(source: Source, name: str, model: Model) -> ModelSpec:
    """What OpenAI and Azure allow, whichever of the models it is. Both count each model, or deployment, for itself."""
    return describe(
        source,
        name,
        model,
        max_batch_texts=2048,
        max_batch_tokens=300_000,
        max_text_tokens=8192,
        max_concurrency=32,
        quota_scope="model",
    )
