"""Options of one embedder, and defaults for all embedders of a factory."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, TypeAlias, TypedDict
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, field_validator, model_validator

from aembed._events import Event
from aembed._settings.base import Settings
from aembed._settings.http import HttpSettings, unix_url
from aembed._settings.policies import Limits, Merge, MergePolicy, RetryPolicy
from aembed._settings.values import Count, Seconds, Switch, as_bool
from aembed._types import Overlong, Store

KeyAnswer: TypeAlias = str | SecretStr | tuple[str | SecretStr, float]
"""A key, or a key and when it expires, in seconds since 1970: what ``get_token`` of azure-identity answers too."""

AskKey: TypeAlias = Callable[[], KeyAnswer | Awaitable[KeyAnswer]]
"""Gives a key: a keyring's function, which runs in a worker thread, or an ``async def``."""


def _as_place(place: object) -> bool | Path | Store:
    place = as_bool(place)
    if place is None:
        return False
    if isinstance(place, (bool, Store)):
        return place
    if isinstance(place, str) and place.strip() not in {"", "."} and not _is_path(place):
        raise ValueError("a path has a separator or a suffix: write './name' or 'name.db'; or give True, or a Store")
    if isinstance(place, (str, os.PathLike)) and os.fspath(place) not in {"", "."}:
        return Path(place)
    raise ValueError("give True, the path of a file, or a Store")


def _is_path(text: str) -> bool:
    return bool(set(text) & {"/", os.sep}) or bool(Path(text).suffix)


def _as_secret(key: object) -> object:
    return SecretStr(key) if isinstance(key, str) else key


def _as_key(key: object) -> object:
    if key is None or isinstance(key, (str, SecretStr)) or callable(key):
        return _as_secret(key)
    raise ValueError(f"give the key as a str, or a function that gives it, not {type(key).__name__}")


def _as_path(file: str | Path | None) -> Path | None:
    return None if file is None else Path(file)


def _as_secret_values(headers: object) -> object:
    return {name: _as_secret(value) for name, value in headers.items()} if isinstance(headers, Mapping) else headers


def checked_url(url: str) -> str:
    """The address of an API, spelled one way: the same quota, key and cache belong to all spellings of it.

    Raises ValueError for one that cannot be.
    """
    if not url.isprintable() or " " in url:
        raise ValueError("must hold no blank and no line break")
    of_socket = unix_url(url)
    if of_socket is not None:
        return of_socket
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
    port = {"http": ":80", "https": ":443"}[parts.scheme]
    host = parts.netloc.lower().removesuffix(port).removesuffix(":")
    return urlunsplit((parts.scheme, host, re.sub("/{2,}", "/", parts.path).rstrip("/"), "", ""))


class Defaults(Settings):
    """Options that a configuration may set for all embedders of a factory."""

    limits: Limits = Field(default_factory=cache(Limits))
    retry: RetryPolicy = Field(default_factory=cache(RetryPolicy))
    timeout: Seconds | None = None
    """Seconds one attempt may take, from its permission to start to its answer. Not set: the provider's default."""
    deadline: Seconds | None = None
    """Seconds a whole call may take, waiting and retries included. Not set: 30 for queries, none for documents."""
    overlong: Overlong = "error"
    strict: Switch = False
    """Reject a reply of another model than was asked for. Off: it is an :class:`OtherModel` event and a log record."""
    http: HttpSettings = Field(default_factory=cache(HttpSettings))
    normalize: Switch = False
    """Scale every vector to unit length. Off: vectors come as the provider gives them (most are unit length)."""
    cache: Annotated[bool | str | Path | Store | None, PlainValidator(_as_place)] = False
    """Keep vectors, and send no text twice: ``True`` in memory (256 MiB), a path in an SQLite file, or a Store.

    A path has a separator or a suffix (``"./vectors"``, ``"vectors.db"``), or is a ``Path``. Embedders of one factory
    that name the same place share it. A Store handed in is yours to close.
    """
    cache_namespace: str = ""
    """Part of the key of every text: embedders of two namespaces share no vector, and neither sees what the other has.

    Use one for each tenant of a shared cache: the time of an answer shows whether another tenant had the text.
    """
    merge: Merge = False
    """Gather concurrent calls with few texts into one request."""


class Options(Defaults):
    """All options of one embedder."""

    base_url: str | None = None
    api_key: Annotated[str | SecretStr | AskKey | None, BeforeValidator(_as_key)] = None
    """The key, or a function that gives it: a keyring's, which runs in a worker thread, or an ``async def``.

    The function is asked for each new embedder, after a 401, and before the key expires where it answers with
    ``(key, expires_at)``, in seconds since 1970 as ``get_token`` of azure-identity does.
    """
    api_key_file: Annotated[str | Path | None, AfterValidator(_as_path)] = None
    """A file that holds the key and nothing else; read for each new embedder."""
    headers: Annotated[Mapping[str, str | SecretStr], BeforeValidator(_as_secret_values)] = Field(
        default_factory=dict, repr=False
    )
    """Sent with every request. They are part of the key of a cache, as they may choose a route."""
    dimensions: Count | None = None
    batch_size: Count | None = None
    """Texts in one request, at most. Not set: what the provider takes."""
    provider_options: Mapping[str, object] = Field(default_factory=dict)
    """Options of this provider, by name; its module lists them."""
    on_event: Callable[[Event], None] | None = None
    """Called with every :data:`Event` of the embedder, in the event loop."""

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)

    @model_validator(mode="after")
    def _check_one_key(self) -> Options:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key and api_key_file are both given; leave one out")
        return self


class EmbedderOptions(TypedDict, total=False):
    """The keywords of ``new_embedder``, for type checkers. :class:`Options` explains them."""

    base_url: str | None
    api_key: str | SecretStr | AskKey | None
    api_key_file: str | Path | None
    headers: Mapping[str, str | SecretStr]
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
    cache: bool | str | Path | Store | None
    cache_namespace: str
    merge: bool | MergePolicy
    provider_options: Mapping[str, object]
    on_event: Callable[[Event], None] | None


class Profile(Options):
    """A named model with its options; the name works wherever ``"provider:model"`` does."""

    model: str
