"""The description of one JSON API: what differs between providers over HTTP, and nothing that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from aembed._errors import EventLoopError
from aembed._settings.base import Settings
from aembed._settings.vendors import Vendor
from aembed._types import Kind, Provider, Source
from aembed._wire.api_errors import ErrorDialect
from aembed._wire.catalogue import HostedModel
from aembed._wire.openai_format import OPENAI_ERRORS, OPENAI_REPLY
from aembed._wire.quota_headers import QuotaHeaders
from aembed._wire.reply_format import ReplyFormat


class NoOptions(Settings):
    """The class of the ``provider_options`` of an API without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFeatures:
    """Everything that a request asks for, apart from its texts.

    ``base64`` and ``dimensions`` leave out what this endpoint has rejected.
    """

    model: str
    kind: Kind
    options: Any
    """An instance of :attr:`HttpApi.options`."""
    base64: bool
    """Request vectors in base64: a quarter of the bytes of numbers, and far cheaper to decode."""
    dimensions: int | None
    """Dimension to request; ``None`` leaves the choice to the server."""

    def fields(self, *, base64: str | None = "encoding_format", dimensions: str = "dimensions") -> dict[str, Any]:
        """The fields for ``base64`` and ``dimensions``, under this API's names. ``None`` sends no such field."""
        fields: dict[str, Any] = {}
        if self.base64 and base64 is not None:
            fields[base64] = "base64"
        if self.dimensions is not None:
            fields[dimensions] = self.dimensions
        return fields


@dataclass(frozen=True, kw_only=True)
class HttpApi(Vendor):
    """One JSON API for embeddings. Calling it opens a provider, so that an instance is an opener for the registry.

    Only ``request`` is required. Everything else has a default that fits an API like OpenAI's.
    """

    request: Callable[[Sequence[str], RequestFeatures], Mapping[str, Any]]
    """The JSON body of the request for one batch."""
    reply: ReplyFormat[Any] = OPENAI_REPLY
    """The place of vectors and usage in a reply."""
    errors: ErrorDialect = OPENAI_ERRORS
    """The wording of error replies."""
    about: str = ""
    """One sentence for ``aembed providers``."""

    base_url: str | None = None
    """Address of the provider's own server. ``None``: users must give ``base_url``."""
    path: str = "/embeddings"
    """Path of the endpoint below ``base_url``; ``{model}`` is replaced by the model's name."""
    url_endings: tuple[str, ...] = ()
    """Endings of a ``base_url`` that are removed before ``path`` is added. Not set: ``path`` itself."""
    url: str | None = None
    """The complete URL, for APIs that do not build it from ``base_url`` and ``path``."""
    tries_v1: bool = False
    """Retry a 404 with ``/v1`` before a path of one part: most servers of OpenAI's API have it, a few do not."""
    key_header: str = "Authorization"
    """Header of the API key. In ``Authorization`` the key follows the word ``Bearer``."""
    needs_key: bool = True
    """Raise an error if there is no key for an own host. A server elsewhere may work without one."""

    models: Mapping[str, HostedModel] = field(default_factory=dict[str, HostedModel])
    """Facts of the models that the provider documents. A model that is not listed works, without these facts."""
    default_model: str | None = None
    """The model if the user names none. ``None``: the user must name one."""
    example_model: str = "MODEL"
    """A model for the error message if none is named."""
    model_prefix: str = ""
    """Prefix that users may write before a model's name, and that the API adds itself."""
    hub_models: bool = False
    """True if the server runs open models of a hub: the dimensions of well-known ones are checked by name."""
    options: type[Settings] = NoOptions
    """Class of the ``provider_options``."""

    max_batch_texts: int = 128
    """Texts of a request; like the caps that follow, a model's own goes before it. See :class:`ModelSpec`."""
    max_batch_tokens: int | None = None
    max_text_tokens: int | None = None
    max_concurrency: int = 16
    inputs_per_minute: float | None = None
    """Texts per minute that the provider documents for every account. Holds on its own hosts only."""
    quota_unit: Literal["request", "input"] = "request"
    quota_scope: Literal["account", "model"] = "account"
    adaptive: bool = False
    timeout: float = 30.0
    """Seconds for one request."""

    quota_headers: tuple[QuotaHeaders, ...] = ()
    """Names of the API's rate-limit headers, if they are not the usual ``x-ratelimit-...``."""
    tokens_header: str | None = None
    """Response header with the usage, for APIs whose reply has none."""
    truncates_silently: bool = False
    """True if the server truncates overlong texts silently: a usage of ``max_text_tokens`` counts as truncation."""
    echoes_model: bool = False
    """True if replies name the model; one other than the requested model is reported."""
    adapt: Callable[[HttpApi, Source], HttpApi] | None = None
    """Returns the API as it is at the address of a ``Source``, for APIs that differ between addresses or keys."""

    def __post_init__(self) -> None:
        host = urlsplit(self.base_url or "").hostname
        if host and not self.own_hosts:
            object.__setattr__(self, "own_hosts", (host,))

    def __repr__(self) -> str:
        return f"<HttpApi {self.about or self.base_url}>"

    async def __call__(self, source: Source) -> Provider:
        """Open a provider for ``source``.

        Raises:
            ConfigError: a setting that this API or model cannot honour; a key or model is missing.
        """
        from aembed._wire.provider import HttpProvider

        EventLoopError.unless_running("a provider over HTTP")
        return HttpProvider(self, source)
