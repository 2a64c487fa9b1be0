"""Types that hold keys and show nothing, and the recognition of keys in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from pydantic import SecretStr

MASK = "**********"

KEY_HEADERS = {"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}
"""Headers that hold a key, in lower case."""

T = TypeVar("T")

_USER_IN_URL = re.compile(r"//[^/\s@]*@")
_KEY = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[\w\-+=~.]{20,}|(sk|pk|pa|al|hf|gsk|jina|AIza)[-_]?[\w\-]{8,}")

_ISSUED = re.compile(r"((sk|pk|pa)-|(hf|gsk|jina)_|AIza)[\w\-]{16,}")
"""Keys by the beginnings that vendors give them, which no model has."""

_ASSIGNED = re.compile(r"(export |set |\$env:)?\w*(key|token|secret)\w*\s*=\s*[^=\s]", re.IGNORECASE)
"""A line of a ``.env`` file or a shell. The ``=`` at the end of a key in base64 has nothing but others behind it."""


class SecretText(str):
    """A text that is not shown where local variables are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'...'"


class SecretHeaders(dict[str, T]):
    """Headers that show their names only, wherever they are printed."""

    def __repr__(self) -> str:
        return f"<headers {', '.join(self)}>"


def in_clear(headers: Mapping[str, str | SecretStr]) -> SecretHeaders[str]:
    """Headers as they are sent."""
    return SecretHeaders({name: clear(value) for name, value in headers.items()})


def clear(secret: str | SecretStr) -> str:
    """The plain text of a secret."""
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def more_than_key(text: str) -> str | None:
    """The form of a text that holds more than a key, in words that show nothing of it; ``None`` for a key alone."""
    if text.startswith(("{", "[")):
        return "JSON"
    if len(text.splitlines()) > 1:
        return "several lines"
    if _ASSIGNED.match(text):
        return "an assignment, NAME=KEY"
    if text[:1] in {'"', "'", "`"} or text[-1:] in {'"', "'", "`"}:
        return "quotes"
    return "the word Bearer" if text[:7].lower() == "bearer " else None


def is_issued_key(text: str) -> bool:
    """True for a word that begins as the keys of a vendor do. Stricter than :func:`may_be_secret`."""
    return _ISSUED.fullmatch(text.strip()) is not None


def may_be_secret(text: str) -> bool:
    """True for a URL with a user or password, and for a word that looks like a key: no text, no path, no model."""
    return bool(_USER_IN_URL.search(text) or _KEY.fullmatch(text.strip()))
