"""The configuration of a factory, and the settings that an embedder of it runs with.

These are merged from four layers, later ones winning field by field: the provider's own defaults, the
:class:`Config`, its named :class:`Profile`, and the keywords of ``new_embedder``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from aembed._errors import ConfigError
from aembed._registry import BUILT_IN, Registry
from aembed._settings.base import plain
from aembed._settings.environment import read_variables
from aembed._settings.keys import KeyAndAddress, fields_for, find_endpoint
from aembed._settings.layers import as_table, merged
from aembed._settings.options import Defaults, Options, Profile
from aembed._settings.secrets import is_issued_key
from aembed._settings.sources import NAME, Origins, find_file, parse, read_file
from aembed._settings.trust import check_trusted, distrust, is_trusted, names_download, trust
from aembed._settings.vendors import NO_VENDOR, Vendor


class Config(Defaults):
    """The configuration of a factory: the default model, defaults for every embedder, and named profiles.

    One Config serves any number of factories. ``Config()`` reads nothing; :meth:`load` reads environment and file.
    """

    model: str = "local"
    """Model of ``new_embedder()``: ``"provider:model"``, ``"provider"``, or the name of a profile."""
    profiles: dict[str, Profile] = Field(default_factory=dict)

    _origins: Origins = PrivateAttr(default_factory=Origins)

    @classmethod
    def load(cls, file: str | Path | None = None) -> Config:
        """Read ``AEMBED_...`` variables and a TOML file; variables win, field by field.

        The file is ``file``, else the one ``AEMBED_CONFIG`` names, else ``./aembed.toml`` if it exists. The last may
        decide where keys and texts go (``base_url``, ``http``, ``api_key_file``, ``headers``, a ``cache`` outside its
        directory), or start the download of a model, only once :meth:`trust` was called for it as it is now.

        Nested fields take two underscores: ``AEMBED_PROFILES__SEARCH__MODEL``. This does file I/O: call it in a thread
        or at start.

        Raises:
            ConfigError: unreadable or untrusted file, unknown or invalid field.
        """
        path, is_named = find_file(file)
        content = b"" if path is None else read_file(path)
        table = {} if path is None else parse(path, content)
        variables, names = read_variables(os.environ, cls)
        trusted = path is None or is_named or not names_download(table) or is_trusted(path, content)
        origins = Origins(path, table, names, is_trusted=trusted)
        config = cls.from_table(merged(table, variables), origins.of)
        if path is not None and not is_named:
            check_trusted(path, content, table)
        config._origins = origins
        return config

    @classmethod
    def trust(cls, file: str | Path = NAME) -> Path:
        """Let :meth:`load` use all of a file that it finds in the working directory, until the file changes.

        Raises:
            ConfigError: the file is not there, or no configuration.
        """
        path = Path(file)
        content = read_file(path)
        table = parse(path, content)
        cls.from_table(table, Origins(path, table).of)
        trust(path, content)
        return path.resolve()

    @classmethod
    def distrust(cls, file: str | Path = NAME) -> Path:
        """Undo :meth:`trust`."""
        distrust(Path(file))
        return Path(file).resolve()

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the file and the variables that were read."""
        file = () if self._origins.file is None else (str(self._origins.file),)
        return file + tuple(sorted(self._origins.variables.values()))

    def origin(self, *path: str) -> str:
        """Origin of a field: ``config.origin("retry", "max_attempts")`` is a variable, or a table of the file.

        "" if the field is not set, or was set in code.
        """
        return self._origins.of(path)

    def may_download(self, model: str | None = None) -> bool:
        """False for a model or profile that only an untrusted file names."""
        if model is None and self._origins.is_of_untrusted_file(("model",)):
            return False
        name = self.model if model is None else model
        return not self._origins.is_of_untrusted_file(("profiles", name, "model"))

    def endpoint(self, model: str | None = None) -> KeyAndAddress:
        """Address and key of a model or profile, and the origin of each. Calls no key function.

        Raises:
            ConfigError: as ``new_embedder``.
        """
        name = self.model if model is None else model
        full, settings = resolve(self, name, {})
        found = find_endpoint(find_vendor(Registry(), full.partition(":")[0]), settings)

        def named(origin: str) -> str:
            if origin not in Options.model_fields:
                return origin
            return self.origin("profiles", name, origin) or f"profile {name!r}"

        return replace(found, base_url_origin=named(found.base_url_origin), key_origin=named(found.key_origin))


def resolve(
    config: Config, model: str, options: Mapping[str, Any], registry: Registry | None = None
) -> tuple[str, Options]:
    """Merge the layers: ``model`` may name a profile. Returns ``"provider:model"`` and its settings.

    Raises:
        ConfigError: a keyword is wrong, or layers contradict each other.
    """
    shared = config.table()
    table: dict[str, object] = {name: shared[name] for name in shared.keys() & Options.model_fields.keys()}
    keywords = as_table({name: plain(value) for name, value in options.items()})
    profile = config.profiles.get(model)
    if profile is not None:
        table = merged(table, fields_for(model, profile, options, partial(find_vendor, registry or Registry())))
        model = str(table.pop("model"))
    return model, Options.from_table(merged(table, keywords), lambda path: "keyword" if path[0] in options else "")


def find_vendor(registry: Registry, provider: str) -> Vendor:
    """Variables and hosts that a provider declares. An opener that replaces a built-in one may leave them to it.

    Raises:
        ConfigError: there is no such provider.
    """
    opener = registry.get(provider)
    if not isinstance(opener, Vendor) and provider in BUILT_IN:
        opener = Registry().get(provider)
    return opener if isinstance(opener, Vendor) else NO_VENDOR


def check_model(config: Config, name: str, providers: Collection[str]) -> None:
    """Raises :class:`ConfigError` for a key in the place of a model, and for a profile that names a profile, as it
    would be unclear whose options hold.
    """
    if any(map(is_issued_key, (name, name.partition(":")[2]))):
        raise ConfigError("the model looks like a key, and is not shown; give 'provider:model', and the key as api_key")
    profile = config.profiles.get(name)
    if profile is not None and profile.model in config.profiles and profile.model not in providers:
        raise ConfigError(
            f"profile {name!r} names the profile {profile.model!r} as its model; give it a 'provider:model', such as "
            f"{config.profiles[profile.model].model!r}"
        )
