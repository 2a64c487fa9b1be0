"""Settings: immutable, validated, and the only place that reads the environment and files.

What an embedder runs with is merged from four layers, later ones winning: the provider's own defaults, the
:class:`Config`, its named :class:`Profile`, and the options given to ``new_embedder``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypedDict
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    SecretStr,
    Tag,
    field_validator,
    model_validator,
)

from aembed._errors import ConfigError
from aembed._events import Event
from aembed._settings.base import Settings, nearest
from aembed._settings.http import HttpSettings, Seconds
from aembed._types import Overlong, Store

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limits(Settings):
    """What an account may do, or a model with a quota of its own. ``None``: as the provider's own default says."""

    max_concurrency: Count | None = None
    """Requests in flight at once. Queries have one more, of their own."""
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    inputs_per_minute: Rate | None = None
    """Texts a minute, for providers that count these."""


class RetryPolicy(Settings):
    """When to try again. Delays are in seconds and double up to ``max_delay``, each with full jitter.

    A ``Retry-After`` of the provider is obeyed instead, up to ``max_retry_after``; beyond that the call fails.
    """

    max_attempts: Count = 5
    initial_delay: Seconds = 0.5
    max_delay: Seconds = 30.0
    max_retry_after: Seconds = 120.0


def _read_cache(place: object) -> bool | Path | Store:
    """``true`` and ``false`` may come as words, from the environment."""
    if isinstance(place, (bool, Store)):
        return place
    if isinstance(place, str) and place.lower() in {"true", "false"}:
        return place.lower() == "true"
    if isinstance(place, (str, Path)) and str(place) not in {"", "."}:
        return Path(place)
    raise ValueError("give True, the path of a file, or a Store")


class MergePolicy(Settings):
    """How calls with few texts are gathered while others are under way. The first of them goes at once."""

    max_texts: Count = 128
    """Texts in one batch of several calls, at most; also at most what the provider takes. Larger calls go alone."""
    window: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    """Seconds a call waits for company, at most, while requests may be sent."""


def _kind_of_merge(value: object) -> str | None:
    """Which of the two is meant: what is wrong with one is then not explained for the other too."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false"}):
        return "switch"
    return "policy" if isinstance(value, (MergePolicy, Mapping)) else None


Merge = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[MergePolicy, Tag("policy")],
    Discriminator(_kind_of_merge, "merge", "give True, or a MergePolicy with max_texts and window"),
]


class Defaults(Settings):
    """What may be set once for all embedders of a factory: nothing here belongs to one provider or account."""

    retry: RetryPolicy = Field(default_factory=cache(RetryPolicy))
    timeout: Seconds | None = None
    """Seconds one attempt may take, from its permission to start to its answer. Not set: the provider's default."""
    deadline: Seconds | None = None
    """Seconds a whole call may take, waiting and retries included. Not set: 30 for queries, none for documents."""
    overlong: Overlong = "error"
    strict: bool = False
    """Reject a reply of another model than was asked for. Off: it is an :class:`OtherModel` event and a log record."""
    http: HttpSettings = Field(default_factory=cache(HttpSettings))
    normalize: bool = False
    """Scale every vector to unit length. Off: vectors come as the provider gives them (most are unit length)."""
    cache: Annotated[bool | str | Path | Store, PlainValidator(_read_cache)] = False
    """Keep vectors, and send no text twice: ``True`` in memory (256 MiB), a path in an SQLite file, or a Store.

    Embedders of one factory that name the same place share it. A Store handed in is yours to close.
    """
    merge: Merge = False
    """Gather concurrent calls with few texts into one request."""


def _as_secret(key: object) -> object:
    return SecretStr(key) if isinstance(key, str) else key


def _as_path(file: str | Path | None) -> Path | None:
    return None if file is None else Path(file)


class Options(Defaults):
    """Everything one embedder can be told."""

    base_url: str | None = None
    api_key: Annotated[str | SecretStr | Callable[[], str | SecretStr] | None, BeforeValidator(_as_secret)] = None
    """The key, or a function that gives it, of a keyring for one: asked in a worker thread for each new embedder."""
    api_key_file: Annotated[str | Path | None, AfterValidator(_as_path)] = None
    """A file that holds the key and nothing else; read for each new embedder."""
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    dimensions: Count | None = None
    batch_size: Count | None = None
    """Texts in one request, at most. Not set: what the provider takes."""
    limits: Limits = Field(default_factory=cache(Limits))
    provider_options: Mapping[str, object] = Field(default_factory=dict)
    """What this provider alone understands, by name; the provider's docstring lists them."""
    on_event: Callable[[Event], None] | None = None
    """Called with every :data:`Event` of the embedder, in the event loop."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not url.isprintable() or " " in url:
            raise ValueError("must hold no blank and no line break")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        try:
            _ = parts.port, parts.hostname.encode("idna")  # reading the port checks it
        except ValueError:
            raise ValueError("must name a host, and a port from 0 to 65535 if any") from None
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold no user or password; give the key as api_key")
        if parts.query or parts.fragment:
            raise ValueError("must end with the path; leave out what follows '?' or '#'")
        return url

    @model_validator(mode="after")
    def _check_one_key(self) -> Options:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key and api_key_file are both given; leave one out")
        return self


class EmbedderOptions(TypedDict, total=False):
    """The keywords of ``new_embedder``, for type checkers. :class:`Options` says what they mean."""

    base_url: str | None
    api_key: str | SecretStr | Callable[[], str | SecretStr] | None
    api_key_file: str | Path | None
    headers: Mapping[str, str]
    dimensions: int | None
    batch_size: int | None
    limits: Limits
    retry: RetryPolicy
    timeout: float | None
    deadline: float | None
    overlong: Overlong
    strict: bool
    http: HttpSettings
    normalize: bool
    cache: bool | str | Path | Store
    merge: bool | MergePolicy
    provider_options: Mapping[str, object]
    on_event: Callable[[Event], None] | None


class Profile(Options):
    """A named model with its options; the name works wherever ``"provider:model"`` does."""

    model: str


class Config(Defaults):
    """What a factory starts from: the default model, defaults for every embedder, and named profiles.

    One Config serves any number of factories. ``Config()`` reads nothing; :meth:`load` reads environment and file.
    """

    model: str = "local"
    """What ``new_embedder()`` gives: ``"provider:model"``, ``"provider"``, or the name of a profile."""
    profiles: dict[str, Profile] = Field(default_factory=dict)

    @classmethod
    def load(cls, file: str | Path | None = None) -> Config:
        """Read ``AEMBED_...`` variables and a TOML file; variables win.

        The file is ``file``, else the one ``AEMBED_CONFIG`` names, else ``./aembed.toml`` if it exists. Nested fields
        take two underscores: ``AEMBED_PROFILES__SEARCH__MODEL``. This does file I/O: call it in a thread or at start.

        Raises:
            ConfigError: unreadable file, unknown or invalid field.
        """
        path = _config_file(file)
        variables = [name for name in os.environ if name.upper().startswith("AEMBED_") and name != "AEMBED_CONFIG"]
        for name in variables:
            _check_variable(name)
        if path is None and not variables:
            return cls()
        return cls(**_read_sources(path))


def _config_file(file: str | Path | None) -> Path | None:
    named = file or os.environ.get("AEMBED_CONFIG")
    path = Path(named or "aembed.toml")
    if path.is_file():
        return path
    if named:
        raise ConfigError(f"configuration file {str(path)!r} does not exist or is not a file; check the path")
    return None


def _check_variable(name: str) -> None:
    field = name[len("AEMBED_") :].lower().partition("__")[0]
    if field not in Config.model_fields:
        known = [f"AEMBED_{known.upper()}" for known in Config.model_fields]
        raise ConfigError(f"unknown environment variable {name}{nearest(name.partition('__')[0], known)}")


def _read_sources(path: Path | None) -> dict[str, Any]:
    import tomllib

    from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
    from pydantic_settings import TomlConfigSettingsSource as TomlSource
    from pydantic_settings.exceptions import SettingsError

    class Sources(Config, BaseSettings):
        model_config = SettingsConfigDict(env_prefix="AEMBED_", env_nested_delimiter="__")

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return sources["env_settings"], TomlSource(settings_cls, path)

    try:
        return Sources().model_dump(exclude_unset=True)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; nested fields take two underscores, lists and tables JSON") from None


def resolve(config: Config, model: str, options: Mapping[str, Any]) -> tuple[str, Options]:
    """Merge the layers: ``model`` may name a profile. Returns ``"provider:model"`` and what it runs with."""
    merged = {name: getattr(config, name) for name in config.model_fields_set & Options.model_fields.keys()}
    profile = config.profiles.get(model)
    if profile is not None:
        merged |= {name: getattr(profile, name) for name in profile.model_fields_set if name != "model"}
        model = profile.model
    return model, Options(**merged | dict(options))
