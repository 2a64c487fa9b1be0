"""Where an API key comes from: an option, a function, a file, or the provider's usual variable."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from aembed._errors import ConfigError
from aembed._settings.config import Options
from aembed._settings.hosts import is_own_host

AskKey: TypeAlias = Callable[[], SecretStr]
"""Gives a key and may take its time: for a worker thread."""

KEY_VARIABLES = {
    "azure": "AZURE_OPENAI_API_KEY",
    "cohere": "CO_API_KEY",
    "google": "GEMINI_API_KEY",
    "jina": "JINA_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "openai": "OPENAI_API_KEY",
    "voyage": "VOYAGE_API_KEY",
}
"""Where a provider's key usually stands, by its own documentation; with ``_FILE`` behind it, the path of a file that
holds the key, as containers are given secrets."""


def find_key(provider: str, settings: Options) -> SecretStr | AskKey | None:
    """The key, or how to get it. A provider's variable is for the provider itself, and sent to nobody else."""
    if settings.api_key_file is not None:
        return partial(_read, Path(settings.api_key_file))
    key = settings.api_key
    if key is None:
        is_safe = settings.base_url is None or settings.base_url.startswith("https://")
        return _from_environment(provider) if is_safe and is_own_host(provider, settings.base_url) else None
    if isinstance(key, str):
        return SecretStr(key)
    return key if isinstance(key, SecretStr) else partial(_ask, key)


def _from_environment(provider: str) -> SecretStr | AskKey | None:
    variable = KEY_VARIABLES.get(provider, "")
    value = os.environ.get(variable)
    if value:
        return SecretStr(value)
    file = os.environ.get(f"{variable}_FILE") if variable else None
    return partial(_read, Path(file)) if file else None


def _read(file: Path) -> SecretStr:
    try:
        return SecretStr(file.expanduser().read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConfigError(f"the key file {str(file)!r} cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the key file {str(file)!r} is not text; it must hold the key and nothing else") from None


def _ask(give: Callable[[], str | SecretStr]) -> SecretStr:
    key = give()
    if isinstance(key, str):
        return SecretStr(key)
    if not isinstance(key, SecretStr):
        raise ConfigError(f"api_key: the function gave a {type(key).__name__}, not the key as a str")
    return key
