"""The embedder of a job, and the settings that decide its vectors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias

import anyio.to_thread
import msgspec
from xxhash import xxh3_64_hexdigest

from aembed import Config, ConfigError, Embedder, EmbedderFactory, EmbedderOptions, MissingKeyError, Provider
from aembed.jobs.paths import JobPaths, check_apart
from aembed.stores import SQLiteStore

JobModel: TypeAlias = str | Provider | Embedder | None
"""A model as ``new_embedder`` takes it, or an embedder that is open already and stays so."""

DECIDING_OPTIONS = ("base_url", "dimensions", "normalize", "overlong")
"""Options that make other vectors; so do the model and its dimensions."""
MIN_CACHE_BYTES = 2**20
"""Least size of an ``SQLiteStore``."""


@asynccontextmanager
async def open_model(
    model: JobModel,
    options: EmbedderOptions,
    config: Config | None,
    *,
    apart_from: JobPaths | None = None,
    cache_limit: int | None = None,
    sends: bool = True,
) -> AsyncGenerator[tuple[Embedder, dict[str, Any]], None]:
    """The embedder, and what to remember of its settings. Of an embedder handed in only its model is known.

    One that ``sends`` nothing needs no key and has no cache.

    Raises:
        ConfigError: the model cannot be opened, or is open already and cannot take options any more.
        JobOutputError: its cache is a file that the job ``apart_from`` writes.
    """
    if isinstance(model, Embedder):
        if options:
            raise ConfigError(f"{', '.join(options)}: give options to new_embedder; this embedder is open already")
        yield model, _named(model)
        return
    known = await anyio.to_thread.run_sync(Config.load) if config is None else config
    if apart_from is not None:
        _check_cache(apart_from, _set_options(known, model, options).get("cache"))
    async with _limited_cache(known, model, options, cache_limit) as bounded, EmbedderFactory(known) as factory:
        options = options | bounded
        if not sends:
            options = options | {"cache": False}
        try:
            embedder = await factory.new_embedder(model, **options)
        except MissingKeyError:
            if sends:
                raise
            embedder = await factory.new_embedder(model, **(options | {"api_key": "none"}))  # nothing is sent
        yield embedder, _named(embedder) | deciding(known, model, options)


@asynccontextmanager
async def _limited_cache(
    config: Config, model: str | Provider | None, options: EmbedderOptions, limit: int | None
) -> AsyncGenerator[EmbedderOptions, None]:
    """The option for a cache file of at most ``limit`` bytes."""
    if limit is None:
        yield {}
        return
    cache = _set_options(config, model, options).get("cache")
    if not isinstance(cache, (str, PathLike)):
        raise ConfigError("cache_limit bounds a cache file, and none is given; add cache, as in cache='vectors.db'")
    if limit < MIN_CACHE_BYTES:
        raise ConfigError(f"cache_limit={limit}: a file takes at least {MIN_CACHE_BYTES} bytes; raise it")
    async with SQLiteStore(fspath(cache), max_bytes=limit) as store:
        yield {"cache": store}


def deciding(config: Config, model: str | Provider | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that change vectors, as set in the configuration, the profile, or here."""
    set_options = _set_options(config, model, options)
    settings = {"overlong": "error"} | {name: set_options[name] for name in DECIDING_OPTIONS if name in set_options}
    special = set_options.get("provider_options")
    if special:  # they may hold secrets
        encoded = msgspec.json.encode(special, enc_hook=lambda value: type(value).__name__, order="deterministic")
        settings["provider_options"] = xxh3_64_hexdigest(encoded)
    return settings


def _set_options(config: Config, model: str | Provider | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that is set: here, in the profile, or in the configuration."""
    found: dict[str, Any] = {name: getattr(config, name) for name in config.model_fields_set}
    profile = config.profiles.get(model or config.model) if not isinstance(model, Provider) else None
    if profile is not None:
        found |= {name: getattr(profile, name) for name in profile.model_fields_set}
    return found | dict(options)


def _check_cache(paths: JobPaths, cache: object) -> None:
    path = cache.path if isinstance(cache, SQLiteStore) else cache
    if isinstance(path, (str, PathLike)):
        for ending in ("", "-wal", "-shm", ".damaged"):
            check_apart(paths, Path(f"{fspath(path)}{ending}").expanduser(), f"the cache {fspath(path)}")


def _named(embedder: Embedder) -> dict[str, Any]:
    spec = embedder.spec
    revision = {} if spec.revision is None else {"revision": spec.revision}
    return {"model": f"{spec.provider}:{spec.name}", **revision, "identity": embedder.identity}
