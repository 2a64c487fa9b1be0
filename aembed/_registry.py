"""Provider name -> opener, imported when first opened; and hints for mistyped names."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import cache
from typing import TypeAlias, cast

from aembed._errors import ConfigError, closest, nearest
from aembed._lifecycle import Bound
from aembed._types import Provider, Source

Opener: TypeAlias = Callable[[Source], Awaitable[Provider]]
"""Opens a provider for a ``Source``. Raises :class:`ConfigError` for a setting that it cannot honour."""

ENTRY_POINT_GROUP = "aembed.providers"

BUILT_IN = {
    "azure": "aembed.providers.azure:AZURE",
    "cohere": "aembed.providers.cohere:COHERE",
    "dashscope": "aembed.providers.openai_hosts:DASHSCOPE",
    "deepinfra": "aembed.providers.openai_hosts:DEEPINFRA",
    "fireworks": "aembed.providers.openai_hosts:FIREWORKS",
    "google": "aembed.providers.google:GOOGLE",
    "huggingface": "aembed.providers.openai_hosts:HUGGINGFACE",
    "jina": "aembed.providers.jina:JINA",
    "local": "aembed.providers.local:open_provider",
    "mistral": "aembed.providers.mistral:MISTRAL",
    "mock": "aembed.providers.mock:open_provider",
    "nebius": "aembed.providers.openai_hosts:NEBIUS",
    "ollama": "aembed.providers.ollama:OLLAMA",
    "openai": "aembed.providers.openai:OPENAI",
    "openrouter": "aembed.providers.openai_hosts:OPENROUTER",
    "scaleway": "aembed.providers.openai_hosts:SCALEWAY",
    "siliconflow": "aembed.providers.openai_hosts:SILICONFLOW",
    "static": "aembed.providers.static:open_provider",
    "tei": "aembed.providers.tei:TEI",
    "together": "aembed.providers.openai_hosts:TOGETHER",
    "voyage": "aembed.providers.voyage:VOYAGE",
}

CATALOGUES = ("openai", "cohere", "google", "jina", "mistral", "voyage", "dashscope")
"""Providers whose models have names that need no provider to be recognised; the first one wins."""
MIN_SIMILARITY = 0.85
"""Similarity, 0 to 1, at which a name counts as a misspelling of a model."""


class Registry(Bound):
    """The providers a factory can open: built-in, registered here, or installed under ``aembed.providers``.

    Lookup is one dict access. Registration is safe from any thread.
    """

    def __init__(self) -> None:
        self._openers: dict[str, Opener | str] = dict(BUILT_IN)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Registry {', '.join(sorted(self._openers))}>"

    def register(self, name: str, opener: Opener | str, *, replace: bool = False) -> None:
        """Add a provider: an opener, or ``"package.module:opener"`` to be imported on first use.

        Raises:
            ConfigError: the name is taken (``replace=True`` allows it), or is not usable in ``"name:model"``.
        """
        if not name or ":" in name or name != name.strip():
            raise ConfigError(f"provider name {name!r} is not usable in 'name:model'; leave out colons and blanks")
        with self._lock:
            if name in self._openers and not replace:
                raise ConfigError(f"provider {name!r} is already registered; pass replace=True to replace it")
            self._openers[name] = opener

    def names(self) -> tuple[str, ...]:
        """All providers, sorted."""
        return tuple(sorted(self._openers.keys() | _installed().keys()))

    def is_loaded(self, name: str) -> bool:
        """True if :meth:`get` needs no import, which may take long enough to be worth a thread."""
        opener = self._openers.get(name)
        return callable(opener) or (opener is not None and opener.partition(":")[0] in sys.modules)

    def get(self, name: str, model: str = "", *, also: Iterable[str] = ()) -> Opener:
        """The opener of a provider. ``model`` is the full name, ``also`` lists other names for the hint.

        Raises:
            ConfigError: there is no such provider, or its module has no such opener.
        """
        opener = self._openers.get(name)
        if opener is None:
            opener = _installed().get(name)
        if opener is None:
            hint = meant(model, self.names()) or nearest(name, [*self.names(), *also])
            raise ConfigError(f"unknown provider {name!r}{hint}")
        return _import(name, opener) if isinstance(opener, str) else opener


@cache
def _installed() -> dict[str, str]:
    """Entry points of other packages, read once and only for names that are not built in: it takes milliseconds."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}


@cache
def _import(name: str, target: str) -> Opener:
    module, _, attribute = target.partition(":")
    try:
        return cast("Opener", getattr(importlib.import_module(module), attribute))
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(f"provider {name!r} points to {target!r}, which cannot be imported: {error}") from error


def meant(model: str, providers: Collection[str]) -> str:
    """``"; did you mean 'openai:text-embedding-3-small'?"``, or "" where nothing is near."""
    for mark in (":", "/"):
        provider, found, name = model.partition(mark)
        if found and name and provider.lower() in providers:
            return _hint(f"{provider.lower()}:{name}")
    known = _catalogue()
    close = closest(model.rpartition("/")[2].lower(), known, cutoff=MIN_SIMILARITY)
    if close is not None:
        return _hint(f"{known[close]}:{close}")
    if model.count("/") == 1 and ":" not in model:  # as models of the Hugging Face hub are called
        return f"; did you mean 'local:{model}', or 'tei:{model}' with the base_url of a server that runs it?"
    return ""


def _hint(name: str) -> str:
    return f"; did you mean {name!r}?"


@cache
def _catalogue() -> Mapping[str, str]:
    """Model -> provider."""
    models: dict[str, str] = {}
    for provider in reversed(CATALOGUES):
        api = _import(provider, BUILT_IN[provider])
        models |= dict.fromkeys(getattr(api, "models", ()), provider)
    return models
