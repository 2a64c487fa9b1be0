"""``azure``: OpenAI's models in a resource of one's own on Azure. ``"azure:DEPLOYMENT"``.

``base_url`` is the resource's endpoint, ``https://NAME.openai.azure.com``; where it ends with ``/openai/v1`` the v1
API is used, which has no dated version. The key goes in the ``api-key`` header; for Entra ID give
``headers={"Authorization": "Bearer ..."}`` instead. What a deployment runs is not asked, so its dimension is learnt
from the first reply, unless ``provider_options={"model": ...}`` says which model it is. Prices differ by region and
kind of deployment, and are not guessed. A text beyond the model's length is refused, never cut.

Sources: https://learn.microsoft.com/azure/foundry/openai/reference (path, ``api-version`` with 2024-10-21 as the
newest that is no preview, ``api-key``), openai-python ``lib/azure.py`` (the same, and Entra ID),
https://azure-foundry.mintlify.app/api-reference/embeddings (a copy of the v1 reference: no ``api-version`` needed;
2048 inputs, 8192 tokens a text, 300,000 a request), api-version-deprecation (``encoding_format`` and ``dimensions``
since 2024-03-01-preview), https://learn.microsoft.com/azure/ai-services/openai/how-to/quota (tokens and requests a
minute belong to a deployment).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aembed._errors import ConfigError
from aembed._settings.base import Settings, nearest
from aembed._types import Kind, Provider, Source
from aembed._wire.access import key_of
from aembed._wire.api import Api, Asked
from aembed._wire.catalogue import UNKNOWN, with_dimensions
from aembed._wire.endpoint import root
from aembed._wire.openai_shape import EMBEDDING_LIST, OPENAI_ERRORS
from aembed._wire.provider import HttpProvider
from aembed.providers.openai import MODELS, openai_spec


class AzureOptions(Settings):
    """``provider_options`` of ``azure``."""

    api_version: str = "2024-10-21"
    """Of the API by deployments; the v1 API takes none."""
    model: str | None = None
    """The OpenAI model that is deployed, as its name need not say."""


async def open_provider(source: Source) -> Provider:
    """``"azure:DEPLOYMENT"`` with ``base_url``; ``provider_options`` are the fields of :class:`AzureOptions`."""
    deployment, base_url = source.model, source.base_url
    if deployment is None:
        raise ConfigError("name the deployment: 'azure:DEPLOYMENT'")
    if base_url is None:
        raise ConfigError("azure needs base_url, the endpoint of your resource: https://NAME.openai.azure.com")
    options = AzureOptions.from_table(source.options)
    if not options.api_version.strip():
        raise ConfigError("api_version is empty; give a date as 2024-10-21, or leave it out")
    if options.model is not None:
        if options.model not in MODELS:
            raise ConfigError(f"model: unknown model {options.model!r}{nearest(options.model, MODELS)}")
        source = with_dimensions(source, options.model, MODELS)
    base = re.sub(r"/deployments(/.*)?$", "", root(source, "", "/embeddings"))
    v1 = base.endswith("/openai/v1")

    def request(texts: Sequence[str], kind: Kind, asked: Asked) -> dict[str, Any]:
        body: dict[str, Any] = {"input": texts, **asked.fields()}
        return {"model": deployment, **body} if v1 else body

    api = Api(
        url=_url(base, deployment, None if v1 else options.api_version),
        headers=_headers(source),
        request=request,
        shape=EMBEDDING_LIST,
        dialect=OPENAI_ERRORS,
    )
    model = UNKNOWN if options.model is None else replace(MODELS[options.model], price=None)
    return HttpProvider(api, openai_spec(source, deployment, model), source)


def _url(base: str, deployment: str, version: str | None) -> str:
    if version is None:
        return f"{base}/embeddings"
    base = base.removesuffix("/openai")
    return f"{base}/openai/deployments/{quote(deployment, safe='')}/embeddings?api-version={quote(version, safe='')}"


def _headers(source: Source) -> dict[str, str]:
    key = key_of(source)
    if key is not None:
        return {"api-key": key}
    if "authorization" in map(str.lower, source.headers):
        return {}
    raise ConfigError(
        "azure needs an api_key, or an Authorization header; pass one, or set AZURE_OPENAI_API_KEY, "
        "which is sent to Azure's own https hosts"
    )
