"""Error replies -> the error tree: one table of statuses for all APIs, one table of wordings for each dialect.

A provider's own words help, so errors quote them, but never with a piece of a text or of the key. Nor do such pieces
count when a message is classified.
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
from aembed._wire.error_body import ErrorBody, rejected_fields
from aembed._wire.quota_headers import (
    USUAL,
    QuotaHeaders,
    has_no_quota,
    quota_scope,
    reset_after,
    retry_after,
    wait_in_words,
)
from aembed._wire.redact import ELLIPSIS, redact
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
"""501 and 505 mean that the server lacks the feature: a retry changes nothing."""

REMEDIES: Mapping[ErrorType, str] = {
    AuthenticationError: "check api_key, and that it may use this model",
    BatchTooLargeError: "lower batch_size",
    ModelNotFoundError: "check base_url, and the model's name",
    QuotaExhaustedError: "check the account's plan and billing",
    TextTooLongError: 'shorten the text, or choose overlong="truncate" or "split"',
}

ABOUT_A_TEXT = r"(?<![\w-])(inputs?|texts?|contents?|strings?|tokens?|characters?|empty|NaN)(?![\w-])"
"""Words of a message that may be about one text of the batch, so that a search for that text is worth its requests."""

OF_SHAPE = r"\b(missing|extra_forbidden|\w+_type|type_error\S*)(?!\S)"
"""Types of pydantic's errors about the shape of a request, not about the content of a text."""

STOCK_PHRASES = (
    r"(input should be|input tag|input is not valid|extra inputs?|invalid input: expected|failed to (deserialize|parse)"
    r"|unknown field|missing field|invalid JSON payload)[^;]*|input (payload )?validation (error|failed)"
)
"""Phrases of pydantic, TEI, serde, zod, flask-restx and Google's servers about any field: "input" is not text here."""

MAX_FIELDS = 8
"""Complaints that are read of a validation error; it may list every text of a batch."""

NOT_ABOUT_A_TEXT = {401, 403, 429}
"""Statuses about the key or the quota, even if the message quotes a text."""

REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "mistral-correlation-id", "x-debug-trace-id")
"""Headers with the server's id for a reply: most servers, some, Azure's gateway, Mistral, Cohere."""

MAX_REQUEST_ID_CHARS = 100
"""Real ids have 20 to 40; a server could put anything there, and it ends up in messages and logs."""

SHORT_TEXT_CHARS = 16
"""Length up to which a text may equal a word of the server: redacted from the message, but not for classification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDialect:
    """A provider's wording of errors. Statuses have the same meaning for all providers, see ``BY_STATUS``."""

    parse: Callable[[Any], ErrorBody]
    """Reads the parsed JSON body of an error reply. A KeyError, TypeError or the like counts as an empty body."""
    patterns: Sequence[tuple[str, ErrorType]] = ()
    """Regular expressions and their errors, searched in ``"code: message"`` in order, before the status counts."""
    statuses: Mapping[int, ErrorType] = field(default_factory=dict[int, ErrorType])
    """Statuses with another meaning for this provider."""


def parse_error(response: Response, dialect: ErrorDialect, texts: Sequence[str], secrets: Sequence[str]) -> ErrorBody:
    """The body of an error reply, without the secrets and the longer texts it may repeat."""
    try:
        body = dialect.parse(msgspec.json.decode(response.body))
    except (msgspec.DecodeError, RecursionError, AttributeError, KeyError, IndexError, TypeError, ValueError):
        return ErrorBody()  # no JSON, or not of this dialect
    # A short text, such as "input", may be a word that identifies the error.
    longer = [text for text in texts if len(text) > SHORT_TEXT_CHARS]
    return replace(
        body,
        code=redact(body.code, longer, secrets),
        message=redact(body.message, longer, secrets),
        fields=tuple(redact(name, longer, secrets) for name in body.fields[:MAX_FIELDS]),
        rejects=rejected_fields(
            f"{redact(body.code, longer, ())} {redact(body.message, longer, ())}", secrets, ELLIPSIS
        ),
    )


def api_error(
    response: Response,
    body: ErrorBody,
    dialect: ErrorDialect,
    *,
    provider: str,
    texts: Sequence[str] = (),
    path: str = "",
    quota_headers: Sequence[QuotaHeaders] = USUAL,
) -> ProviderError:
    """The error of a reply that is not a success. ``path`` is the path of the request."""
    headers = response.headers
    kind = _kind(response.status, body, dialect)
    # No wait helps a model that the plan does not include.
    if kind is RateLimitError and has_no_quota(headers):
        kind = QuotaExhaustedError
    if kind is BatchTooLargeError and len(texts) == 1 and response.status != 429:
        kind = TextTooLongError  # a batch of one text cannot be split
    retryable = {"false": False, "true": True}.get(headers.get("x-should-retry", ""))
    words = body.message or body.code or f"HTTP {response.status} with an unrecognised error body"
    words = redact(words, [text for text in texts if len(text) <= SHORT_TEXT_CHARS], ())
    remedy = REMEDIES.get(kind)
    request = f" POST {path}" if path and response.status in {404, 405} else ""
    error = kind(
        f"{provider} rejected{request}: {words}" + (f"; {remedy}" if remedy else ""),
        provider=provider,
        status=response.status,
        request_id=request_id(headers),
        retryable=retryable if kind.retryable or retryable else None,
        retry_after=_wait(kind, body, headers, quota_headers),
        index=body.culprit if issubclass(kind, BadTextError) else None,
    )
    if isinstance(error, RateLimitError):
        error.scope = body.scope or quota_scope(body.words, headers)
    return error


def _wait(
    kind: ErrorType, body: ErrorBody, headers: Mapping[str, str], quota_headers: Sequence[QuotaHeaders]
) -> float | None:
    """Seconds to wait, from the most explicit source: a field, Retry-After, a sentence, the reset of a quota."""
    wait = body.retry_after if body.retry_after is not None else retry_after(headers)
    if wait is None and issubclass(kind, (RateLimitError, OverloadedError)):
        wait = wait_in_words(body.message)
    if wait is None and kind is RateLimitError:
        wait = reset_after(headers, quota_headers)
    return wait


def _kind(status: int, body: ErrorBody, dialect: ErrorDialect) -> ErrorType:
    """The error that the words mean, else the one that the status means."""
    for pattern, kind in dialect.patterns:
        if issubclass(kind, BadTextError) and (status in NOT_ABOUT_A_TEXT or not body.is_about_texts):
            continue
        if issubclass(kind, BatchTooLargeError) and not body.is_about_texts:
            continue
        if re.search(pattern, body.words, re.IGNORECASE):
            return kind
    known = dialect.statuses.get(status) or BY_STATUS.get(status)
    if known is not None:
        return known
    if status >= 500:
        return OverloadedError
    return BadTextError if status in {400, 422} and body.is_about_texts and _may_be_a_text(body) else BadRequestError


def _may_be_a_text(body: ErrorBody) -> bool:
    """True if the message mentions texts outside of the stock phrases of every validation error."""
    if re.search(OF_SHAPE, body.code):
        return any(re.search(r"\d\]?$", name) for name in body.fields)  # one of the texts, and not all of them
    words = re.sub(STOCK_PHRASES, "", body.words, flags=re.IGNORECASE)
    return re.search(ABOUT_A_TEXT, words, re.IGNORECASE) is not None


def request_id(headers: Mapping[str, str], texts: Sequence[str] = (), secrets: Sequence[str] = ()) -> str | None:
    """The server's id for a reply, if it sends one."""
    found = next(filter(None, map(headers.get, REQUEST_IDS)), None)
    return redact(found, texts, secrets, MAX_REQUEST_ID_CHARS) if found else None
