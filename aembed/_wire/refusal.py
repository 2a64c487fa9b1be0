"""Status and body of a refusal -> the error tree. One table for all statuses, one small table per dialect.

A provider's own words help, so they are quoted; but never with a piece of a text or of the key. Nor do such pieces
take part in telling what a refusal means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec

from aembed._errors import (
    AuthenticationError,
    BadRequestError,
    BadTextError,
    BatchTooLargeError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExhaustedError,
    RateLimitError,
    TextTooLongError,
)
from aembed._wire.quota_headers import Scope, has_no_quota, quota_scope, reset_after, retry_after, wait_in_words
from aembed._wire.redact import GAP, redact
from aembed._wire.transport import Response

ErrorType: TypeAlias = type[ProviderError]

BY_STATUS: Mapping[int, ErrorType] = {
    401: AuthenticationError,
    402: QuotaExhaustedError,
    403: AuthenticationError,
    404: ModelNotFoundError,
    408: OverloadedError,
    409: OverloadedError,
    413: BatchTooLargeError,
    424: OverloadedError,
    429: RateLimitError,
    498: AuthenticationError,
    499: OverloadedError,
    501: BadRequestError,
    505: BadRequestError,
}
"""501 and 505 say that the server does not do this at all: asking again changes nothing."""

ADVICE: Mapping[ErrorType, str] = {
    AuthenticationError: "check api_key, and that it may use this model",
    BatchTooLargeError: "lower batch_size",
    ModelNotFoundError: "check base_url, and the model's name",
    QuotaExhaustedError: "check the account's plan and billing",
    TextTooLongError: 'shorten the text, or choose overlong="truncate" or "split"',
}

ABOUT_A_TEXT = r"(?<![\w-])(inputs?|texts?|contents?|strings?|tokens?|characters?|empty|NaN)(?![\w-])"
"""A refusal that speaks of these may be about one text of the batch, and worth looking for."""

MAX_ERROR_BYTES = 2**16
"""Of an answer that may be an error; one with vectors is longer."""

MAX_FIELDS = 8
"""Complaints of a rejection that are looked at."""

TEXT_FIELDS = {"content", "contents", "input", "input_tokens", "inputs", "parts", "requests", "text", "texts"}
"""What APIs call the texts of a request. Of Google's ``requests`` each has other fields too, so it counts at the end
of a path only."""

OF_SHAPE = r"\b(missing|extra_forbidden|\w+_type|type_error\S*)(?!\S)"
"""Types of pydantic's errors that speak of how a request is built, and not of what a text says."""

STOCK_PHRASES = (
    r"(input should be|input tag|input is not valid|extra inputs?|invalid input: expected|failed to (deserialize|parse)"
    r"|unknown field|missing field|invalid JSON payload)[^;]*|input (payload )?validation (error|failed)"
)
"""What pydantic, TEI, serde, zod, flask-restx and Google's servers say of any field, in words that are no texts'."""

HIDDEN = ((r"rate.?limit", 429), (r"api.?key|authenticat|unauthori[sz]ed", 401), (r"invalid|bad.?request", 400))
"""What an error means that names no status; else the server's failure."""

ASKED_FOR = {
    "encoding_format": r"(encoding|embedding)_?(format|type)|base64",
    "dimensions": r"dimension|matryoshka",
}
"""What a request may do without, and how refusals speak of it."""

NOT_ABOUT_A_TEXT = {401, 403, 429}

REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "mistral-correlation-id", "x-debug-trace-id")
"""The server's name for an answer: most, some, Azure's gateway, Mistral, Cohere."""

MAX_REQUEST_ID_CHARS = 100

SHORT = 16
"""Characters of a text that may as well be a word of the server's own: not quoted, but no reason to misread it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a refusal's body says: a machine's code, and words for people."""

    code: str = ""
    words: str = ""
    retry_after: float | None = None
    scope: Scope | None = None
    """The period of the quota that is used up, where a field says so and not the words."""
    fields: tuple[str, ...] = ()
    """The parts of the request that it complains of, as ``"input.3"`` or ``"task"``; none where it does not say."""
    about: frozenset[str] = frozenset()
    """Which of ``ASKED_FOR`` it names."""

    def with_faults(self, faults: Any) -> Said:
        """The same, with what a list of ``{"field", "message"}`` says, as Jina and others give it."""
        if not isinstance(faults, list):
            return self
        named = [(str(fault.get("field") or ""), fault) for fault in faults if isinstance(fault, dict)]
        each = [f"{name}: {fault.get('message') or fault.get('msg') or fault.get('code')}" for name, fault in named]
        fields = (*self.fields, *(name for name, _ in named if name))
        return replace(self, words="; ".join(filter(None, (self.words, *each))), fields=fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a provider words its refusals.

    ``read`` takes the parsed body. ``meanings`` are patterns, searched in ``"code: words"`` in order, that say more
    than the status does. ``statuses`` go before those of all providers.
    """

    read: Callable[[Any], Said]
    meanings: Sequence[tuple[str, ErrorType]] = ()
    statuses: Mapping[int, ErrorType] = field(default_factory=dict[int, ErrorType])


def hear(response: Response, dialect: Dialect, texts: Sequence[str], secrets: Sequence[str]) -> Said:
    """What a refusal says, without the secrets and the longer texts it may repeat."""
    try:
        said = dialect.read(msgspec.json.decode(response.body))
    except (msgspec.DecodeError, RecursionError, AttributeError, KeyError, IndexError, TypeError, ValueError):
        return Said()  # no JSON, or not of this dialect
    longer = [text for text in texts if len(text) > SHORT]
    return replace(
        said,
        code=redact(said.code, longer, secrets),
        words=redact(said.words, longer, secrets),
        fields=tuple(redact(name, longer, secrets) for name in said.fields[:MAX_FIELDS]),
        about=_about(f"{redact(said.code, longer, ())} {redact(said.words, longer, ())}", secrets),
    )


def _about(words: str, secrets: Sequence[str]) -> frozenset[str]:
    """A whole secret speaks of nothing; but a word is not left unheard because a secret has a piece of it."""
    for secret in secrets:
        words = words.replace(secret, GAP)
    return frozenset(name for name, pattern in ASKED_FOR.items() if re.search(pattern, words, re.IGNORECASE))


def refusal(
    response: Response, said: Said, dialect: Dialect, *, provider: str, texts: Sequence[str] = (), path: str = ""
) -> ProviderError:
    """The error for an answer that is no success. ``path`` was asked."""
    headers = response.headers
    kind = _kind(response.status, said, dialect)
    if kind is RateLimitError and has_no_quota(headers):
        kind = QuotaExhaustedError
    if kind is BatchTooLargeError and len(texts) == 1 and response.status != 429:
        kind = TextTooLongError
    retryable = {"false": False, "true": True}.get(headers.get("x-should-retry", ""))
    words = said.words or said.code or f"status {response.status}, and a body that is not its usual error"
    words = redact(words, [text for text in texts if len(text) <= SHORT], ())
    advice = ADVICE.get(kind)
    what = f" POST {path}" if path and response.status in {404, 405} else ""
    error = kind(
        f"{provider} refused{what}: {words}" + (f"; {advice}" if advice else ""),
        provider=provider,
        status=response.status,
        request_id=request_id(headers),
        retryable=retryable if kind.retryable or retryable else None,
        retry_after=_wait(kind, said, headers),
        index=_culprit(said) if issubclass(kind, BadTextError) else None,
    )
    if isinstance(error, RateLimitError):
        error.scope = said.scope or quota_scope(f"{said.code}: {said.words}", headers)
    return error


def _wait(kind: ErrorType, said: Said, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from the most explicit that says so: a field, Retry-After, a sentence, when a quota refills."""
    wait = said.retry_after if said.retry_after is not None else retry_after(headers)
    if wait is None and issubclass(kind, (RateLimitError, OverloadedError)):
        wait = wait_in_words(said.words)
    if wait is None and kind is RateLimitError:
        wait = reset_after(headers)
    return wait


def hidden(response: Response) -> Response | None:
    """The refusal that an answer of 200 may be, as proxies give it: with the status that its error names or means."""
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
    return replace(response, status=int(named) if named is not None else _meant(str(error)))


def _is_status(value: Any) -> bool:
    return re.fullmatch(r"[45][0-9]{2}", str(value)) is not None


def _meant(words: str) -> int:
    for pattern, status in HIDDEN:
        if re.search(pattern, words, re.IGNORECASE):
            return status
    return 500


def _culprit(said: Said) -> int | None:
    """The text that is pointed at: ``Invalid 'input[3]'`` of OpenAI and its kin, ``"loc": ["input", 3]`` of FastAPI."""
    found = re.search(r"input\[(\d{1,6})\]", said.words)
    if found is None:
        found = next(filter(None, (re.search(r"[.\[](\d{1,6})\]?$", name) for name in said.fields)), None)
    return int(found[1]) if found else None


def _is_of_texts(name: str) -> bool:
    """True for the path of a field that holds texts: ``"input"``, ``"body.input.3"``, ``"inputs[3]"``."""
    parts = re.findall(r"[a-z_]\w*", name.lower())
    return bool(parts) and (parts[-1] in TEXT_FIELDS or not TEXT_FIELDS.isdisjoint(set(parts) - {"requests", "parts"}))


def read_detail(detail: Any) -> Said:
    """``detail`` as FastAPI gives it: a sentence, a list of ``{"loc", "msg", "type"}``, or what else."""
    if isinstance(detail, list):
        faults = [item for item in detail if isinstance(item, dict)]
        paths = [".".join(map(str, item.get("loc", ()))) for item in faults]
        words = "; ".join(f"{path}: {item.get('msg')}" for path, item in zip(paths, faults, strict=True))
        return Said(" ".join(str(item.get("type")) for item in faults), words, fields=tuple(filter(None, paths)))
    if isinstance(detail, dict):
        code, words = str(detail.get("code") or ""), str(detail.get("message") or detail.get("error") or "")
        return Said(code, words).with_faults(detail.get("errors"))
    return Said(words=str(detail or ""))


def _kind(status: int, said: Said, dialect: Dialect) -> ErrorType:
    """What the words mean, else what the status does.

    A rejection that names fields and none of texts is about a setting: no other text will fare better.
    """
    of_texts = not said.fields or any(map(_is_of_texts, said.fields))
    words = f"{said.code}: {said.words}"
    for pattern, kind in dialect.meanings:
        if issubclass(kind, BadTextError) and (status in NOT_ABOUT_A_TEXT or not of_texts):
            continue
        if issubclass(kind, BatchTooLargeError) and not of_texts:
            continue
        if re.search(pattern, words, re.IGNORECASE):
            return kind
    known = dialect.statuses.get(status) or BY_STATUS.get(status)
    if known is not None:
        return known
    if status >= 500:
        return OverloadedError
    return BadTextError if status in {400, 422} and of_texts and _is_about_a_text(said) else BadRequestError


def _is_about_a_text(said: Said) -> bool:
    """Whether its words speak of texts, where they are not those of any rejection."""
    if re.search(OF_SHAPE, said.code):
        return any(re.search(r"\d\]?$", name) for name in said.fields)  # one of the texts, and not all of them
    words = re.sub(STOCK_PHRASES, "", f"{said.code}: {said.words}", flags=re.IGNORECASE)
    return re.search(ABOUT_A_TEXT, words, re.IGNORECASE) is not None


def request_id(headers: Mapping[str, str], texts: Sequence[str] = (), secrets: Sequence[str] = ()) -> str | None:
    """The server's name for an answer, if it gives one."""
    found = next(filter(None, map(headers.get, REQUEST_IDS)), None)
    return redact(found, texts, secrets, MAX_REQUEST_ID_CHARS) if found else None
