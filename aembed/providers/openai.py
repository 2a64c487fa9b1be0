"""``openai``: OpenAI's API, and every server that speaks it, through ``base_url``.

vLLM, LM Studio, llama.cpp, Infinity, LiteLLM and others answer the same request; ``openai_hosts`` has
presets for some. A self-hosted server needs no key. Vectors are requested as base64 and accepted as numbers too. A
field that a server rejects (``encoding_format``, ``dimensions``) is left out from then on, and a batch that is too
large for it is halved; ``batch_size`` saves the attempts.

OpenAI's vectors have unit length. OpenAI rejects a text beyond the model's length.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create (2048 inputs, 300,000 tokens a request, 8192
a text, ``dimensions`` on v3 models), https://platform.openai.com/docs/pricing,
https://developers.openai.com/api/docs/guides/rate-limits (limits are by model; no embedding models
are said to share theirs); errors of other servers: vLLM issue
15465, llama.cpp pull requests 7389 and 10030, Hugging Face TEI openapi.json, memobase issue 142 (DashScope).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aembed._types import Source
from aembed.http import HostedModel, HttpApi, Prompts, RequestFeatures

MODELS = {
    "text-embedding-3-small": HostedModel(dim=1536, dimensions=range(1, 1537), price=0.02),
    "text-embedding-3-large": HostedModel(dim=3072, dimensions=range(1, 3073), price=0.13),
    "text-embedding-ada-002": HostedModel(dim=1536, price=0.10),
}


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    options: Prompts = features.options
    return {"model": features.model, "input": options.before(texts, features.kind), **features.fields()}


def compatible(api: HttpApi, source: Source) -> HttpApi:
    """On other hosts nothing of OpenAI's models, caps and quotas holds: any server that speaks the API may be there."""
    if api.is_own_host(source.base_url):
        return api
    return replace(COMPATIBLE, max_batch_texts=source.batch_size or COMPATIBLE.max_batch_texts)


COMPATIBLE = HttpApi(
    request=request,
    options=Prompts,
    needs_key=False,
    tries_v1=True,
    hub_models=True,
    echoes_model=True,
)
"""A server that speaks OpenAI's API. Its cap on the texts of a request is unknown; ``batch_size`` may raise ours."""

OPENAI = HttpApi(
    about="OpenAI's API, and every server that speaks it, through ``base_url``.",
    key_variables=("OPENAI_API_KEY",),
    base_url_variable="OPENAI_BASE_URL",
    # us, eu, au, in, jp and others: https://developers.openai.com/api/docs/guides/data-residency
    own_hosts=("api.openai.com", ".api.openai.com"),
    base_url="https://api.openai.com/v1",
    adapt=compatible,
    request=request,
    options=Prompts,
    models=MODELS,
    default_model="text-embedding-3-small",
    echoes_model=True,
    max_batch_texts=2048,
    max_batch_tokens=300_000,
    max_text_tokens=8192,
    max_concurrency=32,
    quota_scope="model",
)
