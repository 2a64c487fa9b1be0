"""API keys and the user's headers: checked before a request carries them, and never shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aembed._errors import ConfigError, MissingKeyError
from aembed._settings.secrets import more_than_key
from aembed._types import Source


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Raises :class:`ConfigError` for a header that HTTP cannot carry. The message never shows its value."""
    wrong = next((name for name, value in headers.items() if not _is_valid(name, value)), None)
    if wrong is not None:
        raise ConfigError(f"headers: {wrong!r} has a line break or another character that HTTP rejects; remove it")
    return headers


def _is_valid(name: str, value: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable() and not set(" :") & set(name) and value.isprintable()


def check_has_key(source: Source, variables: Sequence[str], header: str = "Authorization") -> None:
    """Raises :class:`MissingKeyError` if there is neither a key nor a header of the user's in its place."""
    if source.api_key is not None or header.lower() in map(str.lower, source.headers):
        return
    remedy = f"set {' or '.join(variables)}, or pass api_key" if variables else "pass api_key"
    raise MissingKeyError(f"{source.provider} needs an api_key; {remedy}")


def key_headers(source: Source, header: str = "Authorization") -> dict[str, str]:
    """The key in its header, if there is a key; in ``Authorization`` after the word ``Bearer``."""
    key = key_of(source)
    if key is None:
        return {}
    return {header: f"Bearer {key}" if header == "Authorization" else key}


def key_of(source: Source) -> str | None:
    """The key as text. Raises :class:`ConfigError` for one that no server issued."""
    if source.api_key is None:
        return None
    key = source.api_key.get_secret_value()
    if not key.strip():
        raise ConfigError("api_key is empty; give the key, or leave api_key out")
    if (more := more_than_key(key)) is not None:
        del key  # from a traceback that shows local variables
        raise ConfigError(f"api_key holds {more}; give the key and nothing else")
    if not key.isascii() or not key.isprintable() or " " in key:
        del key
        raise ConfigError("api_key contains whitespace or non-ASCII characters; check how it was copied")
    return key
