"""The body of an error reply: a code, a message and the fields it names, without texts or keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from aembed._wire.quota_headers import Scope
from aembed._wire.transport import Response

REDUCIBLE = {
    "encoding_format": r"(encoding|embedding)_?(format|type)|base64",
    "dimensions": r"dimension|matryoshka",
}
"""Optional fields of a request, and the words by which error messages name them."""

TEXT_FIELDS = {"content", "contents", "input", "input_tokens", "inputs", "parts", "requests", "text", "texts"}
"""Names of the field that holds the texts. Google's ``requests`` have other fields too: they count at the end only."""


MAX_ERROR_BYTES = 2**16
"""Longest body that is searched for an error in a 200; replies with vectors are longer."""

STATUS_IN_WORDS = (
    (r"rate.?limit", 429),
    (r"api.?key|authenticat|unauthori[sz]ed", 401),
    (r"invalid|bad.?request", 400),
)
"""Status of an error in a 200 that names none; 500 if no pattern matches."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The parsed body of an error reply: a code for programs and a message for people."""

    code: str = ""
    message: str = ""
    retry_after: float | None = None
    """Seconds to wait, if a field says so."""
    scope: Scope | None = None
    """Period of the exhausted quota, if a field names it rather than the message."""
    fields: tuple[str, ...] = ()
    """Fields of the request that the server complains of, as ``"input.3"`` or ``"task"``; empty if it names none."""
    rejects: frozenset[str] = frozenset()
    """Keys of ``REDUCIBLE`` that code or message name."""

    @property
    def words(self) -> str:
        """Code and message, for the patterns of an :class:`ErrorDialect`."""
        return f"{self.code}: {self.message}"

    @property
    def is_about_texts(self) -> bool:
        """False if the server names fields, and none of them holds texts: then no other text fares better."""
        return not self.fields or any(map(_holds_texts, self.fields))

    @property
    def culprit(self) -> int | None:
        """Position of the text that the server rejects: ``Invalid 'input[3]'``, or FastAPI's ``["input", 3]``."""
        found = re.search(r"input\[(\d{1,6})\]", self.message)
        if found is None:
            found = next(filter(None, (re.search(r"[.\[](\d{1,6})\]?$", name) for name in self.fields)), None)
        return int(found[1]) if found else None

    def with_faults(self, faults: Any) -> ErrorBody:
        """Adds a list of ``{"field", "message"}``, as Jina and others send it."""
        if not isinstance(faults, list):
            return self
        named = [(str(fault.get("field") or ""), fault) for fault in faults if isinstance(fault, dict)]
        each = [f"{name}: {fault.get('message') or fault.get('msg') or fault.get('code')}" for name, fault in named]
        fields = (*self.fields, *(name for name, _ in named if name))
        return replace(self, message="; ".join(filter(None, (self.message, *each))), fields=fields)


def _holds_texts(name: str) -> bool:
    """True for the path of a field that holds texts: ``"input"``, ``"body.input.3"``, ``"inputs[3]"``."""
    parts = re.findall(r"[a-z_]\w*", name.lower())
    return bool(parts) and (parts[-1] in TEXT_FIELDS or not TEXT_FIELDS.isdisjoint(set(parts) - {"requests", "parts"}))


def rejected_fields(words: str, secrets: Sequence[str], gap: str) -> frozenset[str]:
    """Keys of ``REDUCIBLE`` in ``words``. A secret does not count, whole or in part of a longer word."""
    for secret in secrets:
        words = words.replace(secret, gap)
    return frozenset(name for name, pattern in REDUCIBLE.items() if re.search(pattern, words, re.IGNORECASE))


def fastapi_error(detail: Any) -> ErrorBody:
    """FastAPI's ``detail``: a sentence, a list of ``{"loc", "msg", "type"}``, or an object."""
    if isinstance(detail, list):
        faults = [item for item in detail if isinstance(item, dict)]
        paths = [".".join(map(str, item.get("loc", ()))) for item in faults]
        message = "; ".join(f"{path}: {item.get('msg')}" for path, item in zip(paths, faults, strict=True))
        return ErrorBody(" ".join(str(item.get("type")) for item in faults), message, fields=tuple(filter(None, paths)))
    if isinstance(detail, dict):
        code, message = str(detail.get("code") or ""), str(detail.get("message") or detail.get("error") or "")
        return ErrorBody(code, message).with_faults(detail.get("errors"))
    return ErrorBody(message=str(detail or ""))


def error_in_200(response: Response) -> Response | None:
    """The error reply inside a 200, as proxies send it: with the status that its error names or implies."""
    # Vectors are longer: parsing every reply twice would cost more than decoding it.
    if len(response.body) > MAX_ERROR_BYTES:
        return None
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: no UTF-8, or a number of 5,000 digits
        return None
    error = body.get("error") if isinstance(body, dict) else None
    if not error:
        return None
    fields = error if isinstance(error, dict) else {}
    named = next((fields[name] for name in ("code", "status") if _is_status(fields.get(name))), None)
    return replace(response, status=int(named) if named is not None else _implied_status(str(error)))


def _is_status(value: Any) -> bool:
    return re.fullmatch(r"[45][0-9]{2}", str(value)) is not None


def _implied_status(words: str) -> int:
    return next((status for pattern, status in STATUS_IN_WORDS if re.search(pattern, words, re.IGNORECASE)), 500)
