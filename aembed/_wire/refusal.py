"""Status and body of a refusal -> the error tree. One table for all statuses, one small table per dialect.

A provider's own words help, so they are quoted, shortened; but never a piece of a text or of the key with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from aembed._types import Response
from aembed._wire.quota_headers import retry_after

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
    499: OverloadedError,
}

ADVICE: Mapping[ErrorType, str] = {
    AuthenticationError: "check api_key, and that it may use this model",
    BatchTooLargeError: "lower batch_size",
    ModelNotFoundError: "check the model's name and base_url",
    QuotaExhaustedError: "check the account's plan and billing",
    TextTooLongError: 'shorten the text, or choose overlong="truncate" or "split"',
}

ABOUT_A_TEXT = r"\b(input|text|content|string|token|character|empty|NaN)"
"""A refusal that speaks of these may be about one text of the batch, and worth looking for."""

MOST_WORDS = 300
"""Characters of a provider's message that are quoted."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a refusal's body says: a machine's code, and words for people."""

    code: str = ""
    words: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a provider words its refusals.

    ``read`` takes the parsed body. ``meanings`` are patterns, searched in ``"code: words"`` in order, that say more
    than the status does.
    """

    read: Callable[[Any], Said]
    meanings: Sequence[tuple[str, ErrorType]] = ()


def refusal(
    response: Response, dialect: Dialect, *, provider: str, texts: Sequence[str], secrets: Sequence[str]
) -> ProviderError:
    """The error for an answer that is no success."""
    said = _said(response, dialect)
    kind = _kind(response, f"{said.code}: {said.words}", dialect)
    headers = response.headers
    retryable = {"false": False, "true": True}.get(headers.get("x-should-retry", ""))
    words = _quotable(said.words, texts, secrets) or _quotable(said.code, texts, secrets) or "it gave no reason"
    advice = ADVICE.get(kind)
    return kind(
        f"{provider} refused: {words}" + (f"; {advice}" if advice else ""),
        provider=provider,
        status=response.status,
        request_id=_request_id(headers),
        retryable=retryable if kind.retryable or retryable else None,
        retry_after=said.retry_after if said.retry_after is not None else retry_after(headers),
    )


def _said(response: Response, dialect: Dialect) -> Said:
    try:
        return dialect.read(msgspec.json.decode(response.body))
    except (msgspec.DecodeError, AttributeError, KeyError, IndexError, TypeError, ValueError):
        return Said(words=f"status {response.status} with a body that is not its usual error")


def _kind(response: Response, said: str, dialect: Dialect) -> ErrorType:
    for pattern, kind in dialect.meanings:
        if re.search(pattern, said, re.IGNORECASE):
            return kind
    known = BY_STATUS.get(response.status)
    if known is not None:
        return known
    if response.status >= 500:
        return OverloadedError
    if response.status in {400, 422} and re.search(ABOUT_A_TEXT, said, re.IGNORECASE):
        return BadTextError
    return BadRequestError


def _request_id(headers: Mapping[str, str]) -> str | None:
    found = headers.get("x-request-id") or headers.get("request-id") or headers.get("apim-request-id")
    return found[:100] if found else None


def _quotable(words: str, texts: Sequence[str], secrets: Sequence[str]) -> str:
    """The words without any piece of a text or secret in them; nothing if a longer piece shows."""
    words = " ".join(words.split())[:MOST_WORDS]
    for private in (*secrets, *texts):
        if len(private) < 5:
            continue
        if len(private) <= MOST_WORDS:
            words = words.replace(private, "[...]")
        if any(words[i : i + 16] in private for i in range(0, len(words) - 15, 8)):
            return ""
    return words
