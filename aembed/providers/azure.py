"""``azure``: OpenAI's models in your own Azure resource. ``"azure:DEPLOYMENT"``.

``base_url`` is the resource's endpoint, ``https://NAME.openai.azure.com``; where it ends with ``/openai/v1`` the v1
API is used, which has no dated version. The key goes in the ``api-key`` header; for Entra ID give
``headers={"Authorization": "Bearer ..."}`` instead. The model of a deployment is unknown, so its dimension is learnt
from the first reply, unless ``provider_options={"model": ...}`` names the model. Prices differ by region and kind of
deployment, and are not guessed. The server rejects a text beyond the model's length.

Sources: https://learn.microsoft.com/azure/foundry/openai/reference (path, ``api-version`` with 2024-10-21 as the
newest that is not a preview, ``api-key``), openai-python ``lib/azure.py`` (the same, and Entra ID),
https://azure-foundry.mintlify.app/api-reference/embeddings (a copy of the v1 reference: no ``api-version`` needed;
2048 inputs, 8192 tokens a text, 300,000 a request), api-version-deprecation (``encoding_format`` and ``dimensions``
since 2024-03-01-preview), https://learn.microsoft.com/azure/ai-services/openai/how-to/quota (tokens and requests a
minute belong to a deployment).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aembed._errors import ConfigError, MissingKeyError, nearest
from aembed._types import Source
from aembed.http import HostedModel, HttpApi, ProviderOptions, RequestFeatures
from aembed.providers.openai import MODELS, OPENAI


class AzureOptions(ProviderOptions):
    """``provider_options`` of ``azure``."""

    api_version: str = "2024-10-21"
    """Dated version of the API by deployments; the v1 API has none."""
    model: str | None = None
    """The OpenAI model that is deployed, as its name need not say."""


SERVICES = ("openai.azure", "services.ai.azure", "cognitiveservices.azure", "api.cognitive.microsoft")


def request(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    return {"input": texts, **features.fields()}


def request_v1(texts: Sequence[str], features: RequestFeatures) -> dict[str, Any]:
    return {"model": features.model, "input": texts, **features.fields()}


def of_resource(api: HttpApi, source: Source) -> HttpApi:
    """The API of one resource: with or without a version, and with the facts of the deployed model."""
    if source.base_url is None:
        raise ConfigError("azure needs base_url, the endpoint of your resource: https://NAME.openai.azure.com")
    options = AzureOptions.from_table(source.options, lambda _: "provider_options of azure")
    if not options.api_version.strip():
        raise ConfigError("api_version is empty; give a date as 2024-10-21, or leave it out")
    if source.api_key is None and "authorization" not in map(str.lower, source.headers):
        raise MissingKeyError(
            "azure needs an api_key, or an Authorization header; pass one, or set AZURE_OPENAI_API_KEY, "
            "which is sent to Azure's own https hosts"
        )
    if options.model is not None and options.model not in MODELS:
        raise ConfigError(f"model: unknown model {options.model!r}{nearest(options.model, MODELS)}")
    base = re.sub(r"/embeddings$|/deployments(/.*)?$", "", source.base_url.rstrip("/"))
    if base.endswith("/openai/v1"):
        return replace(api, models=_deployed(source, options), url=f"{base}/embeddings", request=request_v1)
    deployment, version = quote(source.model or "", safe=""), quote(options.api_version, safe="")
    url = f"{base.removesuffix('/openai')}/openai/deployments/{deployment}/embeddings?api-version={version}"
    return replace(api, models=_deployed(source, options), url=url)


def _deployed(source: Source, options: AzureOptions) -> Mapping[str, HostedModel]:
    """Prices differ by region and kind of deployment, and are not guessed."""
    return {} if options.model is None else {source.model or "": replace(MODELS[options.model], price=None)}


AZURE = replace(
    OPENAI,
    about="OpenAI's models in a resource of your own on Azure.",
    key_variables=("AZURE_OPENAI_API_KEY",),
    base_url_variable="AZURE_OPENAI_ENDPOINT",
    # https://learn.microsoft.com/azure/ai-services/cognitive-services-custom-subdomains
    # and https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure
    own_hosts=tuple(f".{service}.{zone}" for service in SERVICES for zone in ("com", "us")),  # us: Azure Government
    base_url=None,
    key_header="api-key",
    needs_key=False,
    adapt=of_resource,
    request=request,
    options=AzureOptions,
    models={},
    default_model=None,
    example_model="DEPLOYMENT",
    echoes_model=False,
)
