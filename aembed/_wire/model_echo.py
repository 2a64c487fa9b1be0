"""The model that a reply names, compared with the requested one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from aembed._wire.redact import redact

_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
SEARCHED_BYTES = 1000
"""Bytes that are searched at either end of a reply; between them are vectors."""
MAX_NAME_CHARS = 100
"""Characters of a server's name for its model that errors and events quote."""


class Echo(NamedTuple):
    """The name of the model, and the bytes of the reply that hold it."""

    name: str
    written: bytes


class ModelCheck:
    """Finds out whether replies come from the requested model. Its vectors are comparable with no other's."""

    def __init__(self, requested: str, secrets: Sequence[str]) -> None:
        self._requested = requested
        self._secrets = secrets
        self._echo: Echo | None = None
        """The echo of the last reply. Nearly every reply repeats it byte for byte, and a search for bytes is cheap."""
        self._other: str | None = None

    def other_model(self, body: bytes, texts: Sequence[str]) -> str | None:
        """The model that answered, if it is another than the requested one."""
        if self._echo is None or body.rfind(self._echo.written, -SEARCHED_BYTES) < 0:
            echo = self._echo = echoed_model(body)
            other = None if echo is None or is_same(self._requested, echo.name) else echo.name
            self._other = None if other is None else redact(other, texts, self._secrets, MAX_NAME_CHARS)
        return self._other


def echoed_model(body: bytes) -> Echo | None:
    """The model that a reply names, if it names one."""
    for part in (body[-SEARCHED_BYTES:], body[:SEARCHED_BYTES]):
        start = part.find(b'"model"')  # so that the pattern is not tried at every character of a vector
        if start >= 0 and (found := _MODEL.search(part, start)):
            return Echo(found[1].decode(errors="replace"), found[0])
    return None


def is_same(requested: str, echoed: str) -> bool:
    """Servers add a version or drop the owner: ``ada-002`` and ``ada-002-v2``, ``BAAI/x`` and ``x``."""
    one, other = requested.casefold(), echoed.casefold()
    return one.startswith(other) or other.startswith(one) or one.endswith(f"/{other}") or other.endswith(f"/{one}")
