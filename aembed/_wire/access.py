"""What a request carries besides its body: keys and headers, checked before they are sent, and never shown."""

from __future__ import annotations

from collections.abc import Mapping

from aembed._errors import ConfigError, MissingKeyError
from aembed._settings.hosts import is_own_host
from aembed._types import Source


def checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    wrong = next((name for name, value in headers.items() if not _can_be_sent(name, value)), None)
    if wrong is not None:
        raise ConfigError(f"headers: {wrong!r} has a line break, or another character that no header can have")
    return headers


def _can_be_sent(name: str, value: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and not set(" :") & set(name) and value.isprintable()


def require_key(source: Source, variable: str) -> str:
    """The API key, or a MissingKeyError that says where it can be set."""
    key = key_of(source)
    if key is None:
        if is_own_host(source.provider, source.base_url):
            raise MissingKeyError(f"{source.provider} needs an api_key; give one, or set {variable}")
        raise MissingKeyError(f"{source.provider} needs an api_key; give one ({variable} is only sent to its own host)")
    return key


def bearer(source: Source) -> dict[str, str]:
    """The usual header, if there is a key."""
    key = key_of(source)
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def key_header(source: Source, name: str) -> dict[str, str]:
    """The key in a header of its own, if there is one."""
    key = key_of(source)
    return {} if key is None else {name: key}


def key_of(source: Source) -> str | None:
    if source.api_key is None:
        return None
    key = source.api_key.get_secret_value()
    if not key.strip():
        raise ConfigError("api_key is empty; give the key, or leave api_key out")
    if not key.isascii() or not key.isprintable() or " " in key:
        del key  # from a traceback that shows local variables
        raise ConfigError("api_key has characters no key has (a line break or blank, perhaps); copy it once more")
    return key
