"""JSON beyond the standard, as Python and other writers produce it: NaN, Infinity, 1e400, lone surrogates.

Such values pass through a job unchanged: each remembers how it was written.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec


class JsonNumber(float):
    """A number that JSON or float64 does not have; it is written as it was read."""

    __slots__ = ("raw",)

    def __new__(cls, raw: str) -> JsonNumber:
        number = super().__new__(cls, raw)
        number.raw = raw
        return number

    raw: str


class JsonText(str):
    """A string with a lone surrogate, which UTF-8 cannot hold."""

    __slots__ = ()

    def escaped(self) -> str:
        """The string with each lone surrogate as a backslash escape."""
        return self.encode("utf-8", "backslashreplace").decode()


def loads(line: bytes) -> Any:
    """Decode JSON with the values named above.

    Raises:
        ValueError: not JSON even so.
    """
    decoded = json.loads(line.decode(), parse_constant=JsonNumber, parse_float=_number, parse_int=_integer)
    return _marked(decoded)


def as_json(value: object) -> Any:
    """``enc_hook`` of msgspec: values of this module as they were read, all else as text."""
    if isinstance(value, JsonNumber):
        return msgspec.Raw(value.raw.encode())
    return msgspec.Raw(json.dumps(value).encode()) if isinstance(value, JsonText) else str(value)


def json_text(value: object) -> str:
    """The value as a string of JSON."""
    return msgspec.json.encode(value, enc_hook=as_json).decode()


def _number(raw: str) -> float:
    number = float(raw)
    return number if math.isfinite(number) else JsonNumber(raw)


def _integer(raw: str) -> float:
    try:
        return int(raw)
    except ValueError:  # Python reads no more than 4,300 digits
        return JsonNumber(raw)


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            key.encode()  # no name of a field can be written with a lone surrogate
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return JsonText(value)
    return value
