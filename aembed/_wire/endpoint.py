"""One endpoint, made from an API and the user's settings: its URL, its headers, and its model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from aembed._errors import ConfigError
from aembed._settings.base import Settings
from aembed._types import ModelSpec, Source
from aembed._wire.api import HttpApi, NoOptions
from aembed._wire.auth import check_has_key, key_headers
from aembed._wire.catalogue import UNKNOWN, HostedModel, dimensions_to_request
from aembed._wire.matryoshka import open_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model at one address."""

    api: HttpApi
    spec: ModelSpec
    url: str
    url_with_v1: str | None
    """URL to try after a 404."""
    headers: Mapping[str, str] = field(repr=False)
    """Headers with the key."""
    options: Settings
    dimensions: int | None
    """Dimension to request."""


def find_endpoint(api: HttpApi, source: Source) -> Endpoint:
    """Raises :class:`ConfigError` for a setting that the API or the model cannot honour."""
    if api.adapt is not None:
        api = api.adapt(api, source)
    is_own = api.is_own_host(source.base_url)
    if api.needs_key and is_own:
        check_has_key(source, api.key_variables, api.key_header)
    name = _model(api, source)
    known = api.models.get(name, UNKNOWN)
    checked = (open_model(name) or UNKNOWN) if api.hub_models and known is UNKNOWN else known
    dimensions = dimensions_to_request(source.dimensions, name, checked)
    url = api.url or root(api, source.base_url, *api.url_endings or (api.path,)) + api.path.replace(
        "{model}", quote(name, safe="/")
    )
    return Endpoint(
        api=api,
        spec=_spec(api, source, name, known, is_own=is_own),
        url=url,
        url_with_v1=with_v1(url) if api.tries_v1 else None,
        headers=key_headers(source, api.key_header),
        options=_options(api, source),
        dimensions=dimensions,
    )


def _model(api: HttpApi, source: Source) -> str:
    name = source.model or api.default_model
    if name is None:
        raise ConfigError(
            f"{source.provider} has no default model; name the model: '{source.provider}:{api.example_model}'"
        )
    return name.removeprefix(api.model_prefix)


def _options(api: HttpApi, source: Source) -> Settings:
    if api.options is NoOptions and source.options:
        raise ConfigError(
            f"{source.provider} has no provider_options, but got {', '.join(source.options)}; leave them out"
        )
    return api.options.from_table(source.options, lambda _: f"provider_options of {source.provider}")


def _spec(api: HttpApi, source: Source, name: str, model: HostedModel, *, is_own: bool) -> ModelSpec:
    """The API's caps hold for all its models; a model's own go before them."""
    return ModelSpec(
        name=name,
        provider=source.provider,
        dim=source.dimensions or model.dim,
        max_batch_texts=model.max_batch_texts or api.max_batch_texts,
        max_batch_tokens=model.max_batch_tokens or api.max_batch_tokens,
        max_text_tokens=model.max_text_tokens or api.max_text_tokens,
        max_concurrency=api.max_concurrency,
        inputs_per_minute=api.inputs_per_minute if is_own else None,
        quota_unit=api.quota_unit,
        quota_scope=api.quota_scope,
        adaptive=api.adaptive,
        timeout=api.timeout,
        price=model.price,
    )


def root(api: HttpApi, base_url: str | None, *endings: str) -> str:
    """``base_url`` as people copy it from documentation, without the first of ``endings`` that it has.

    ``https://api.openai.com`` means ``https://api.openai.com/v1``: a missing path of an own host
    can only be that one. On other hosts none is added.
    """
    if base_url is None:
        if api.base_url is None:
            raise ConfigError("the API has no default address; give base_url")
        return api.base_url
    parts = urlsplit(base_url)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    path = path.removesuffix(next((ending for ending in endings if path.endswith(ending)), ""))
    if not path and api.is_own_host(base_url):
        path = urlsplit(api.base_url or "").path
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def with_v1(url: str) -> str | None:
    """``http://localhost:8000/embeddings`` with ``/v1`` before its path; ``None`` if the path has several parts."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/v1{parts.path}")) if parts.path.count("/") == 1 else None
