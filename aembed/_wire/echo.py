"""Which model an answer says it is of."""

from __future__ import annotations

import re
from typing import NamedTuple

_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
LOOKED_AT = 1000
"""Bytes at the end and the beginning of an answer: between them are vectors."""


class Echo(NamedTuple):
    """The name, and how the answer has it written."""

    name: str
    written: bytes


def echoed_model(body: bytes) -> Echo | None:
    """The name, if the answer has one."""
    for part in (body[-LOOKED_AT:], body[:LOOKED_AT]):
        start = part.find(b'"model"')  # so that the pattern is not tried at every character of a vector
        if start >= 0 and (found := _MODEL.search(part, start)):
            return Echo(found[1].decode(errors="replace"), found[0])
    return None


def ends_with(body: bytes, echo: Echo) -> bool:
    """Where it mostly stands, the answer has it written the same way."""
    return body.find(echo.written, -LOOKED_AT) >= 0


def is_same(asked: str, said: str) -> bool:
    """Servers add a version, or leave out whose model it is: ``ada-002`` and ``ada-002-v2``, ``BAAI/x`` and ``x``."""
    one, other = asked.casefold(), said.casefold()
    return one.startswith(other) or other.startswith(one) or one.endswith(f"/{other}") or other.endswith(f"/{one}")
