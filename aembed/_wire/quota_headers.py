"""Retry-After and rate-limit headers, in seconds and counts. A value that makes no sense counts as unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeAlias

from aembed._types import QuotaHints

Scope: TypeAlias = Literal["minute", "day"]
"""The period of a quota."""

MAX_DURATION_CHARS = 40
"""Longest header value that is parsed; real durations are far shorter."""
MAX_RESET_S = 86_400.0
"""Longest reset that is believed, in seconds: no known quota takes more than a day, so the header must be broken."""

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_WAIT_IN_WORDS = re.compile(
    r"(?:try(?:ing)?(?: it)? again|retry|wait)(?: (?:in|after|for))?(?: at least)? ?"
    r"((?:\d{1,9}(?:\.\d{1,12})? ?(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)\b"
    r"(?:,? and |, | )?|\d{1,9}(?:\.\d{1,12})?(?:ms|[dhms])(?=\d))+)",
    re.IGNORECASE,
)
"""``try again in 1m3s``, ``retry after 37 seconds``, ``retry in 33.384105706s``, ``wait 1 minute and 5 seconds``."""
_PART_IN_WORDS = re.compile(r"(\d+(?:\.\d+)?) ?(ms|milli|[dhms])", re.IGNORECASE)

_OF_A_DAY = re.compile(r"per[ _-]?day|/ ?day\b|\bdaily\b|by_?day|\b[RT]PD\b", re.IGNORECASE)
_OF_A_MINUTE = re.compile(r"per[ _-]?min(?:ute)?|/ ?min(?:ute)?\b|by_?minute|\b[RT]PM\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QuotaHeaders:
    """Names of a provider's rate-limit headers, with ``{}`` in the place of "limit", "remaining" and "reset".

    ``QuotaHeaders("x-ratelimit-{}-requests", "x-ratelimit-{}-tokens")`` is OpenAI's. Names are in lower case.
    """

    requests: str | None
    tokens: str | None = None
    counts: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """Field of :class:`QuotaHints` -> header, of limits and remaining amounts."""
    resets: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """The same of resets."""
    signs: frozenset[str] = field(init=False, repr=False, compare=False)
    """Headers of which one shows that a reply uses these names."""

    def __post_init__(self) -> None:
        patterns = {unit: pattern for unit in ("requests", "tokens") if (pattern := getattr(self, unit)) is not None}
        counts = {f"{what}_{unit}": of.format(what) for unit, of in patterns.items() for what in ("limit", "remaining")}
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "resets", {f"reset_{unit}": of.format("reset") for unit, of in patterns.items()})
        object.__setattr__(self, "signs", frozenset(counts.values()))


OPENAI = QuotaHeaders("x-ratelimit-{}-requests", "x-ratelimit-{}-tokens")
"""OpenAI, Azure and most others. https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers"."""
MISTRAL = QuotaHeaders("x-ratelimit-{}-req-minute", "x-ratelimit-{}-tokens-minute")
"""Mistral's API in 2026, by recorded replies; its own documentation names no header."""
MISTRAL_BY_SIZE = QuotaHeaders(None, "x-ratelimitbysize-{}-minute")
"""Mistral's API until 2025, tokens alone (the R package tidyllm, ``api_mistral.R``)."""

USUAL = (OPENAI, MISTRAL, MISTRAL_BY_SIZE)
RESETS = ("ratelimit-reset", "x-ratelimit-reset", "ratelimitbysize-reset")
"""Seconds until an unnamed quota refills: the IETF draft on RateLimit header fields, and older names."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    A date is compared with the server's own clock, or with ours where the server sends no ``Date``.

    Source: RFC 9110 section 10.2.3; ``retry-after-ms`` as OpenAI and Azure send it.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    return _number(value) if value is None or _number(value) is not None else _until(value, headers.get("date"))


def reset_after(headers: Mapping[str, str], names: Sequence[QuotaHeaders] = USUAL) -> float | None:
    """Seconds until the quota of a 429 has refilled: one with nothing left, or one whose remainder is not reported."""
    resets = [
        pattern.format("reset")
        for known in names
        for pattern in (known.requests, known.tokens)
        if pattern is not None and not _number(headers.get(pattern.format("remaining")))
    ]
    waits = [_reset(headers.get(name)) for name in (*resets, *RESETS)]
    # The longest: a retry before the last of them has refilled is another 429.
    return max((wait for wait in waits if wait is not None), default=None)


def wait_in_words(words: str) -> float | None:
    """Seconds to wait, from the sentence of an error message."""
    found = _WAIT_IN_WORDS.search(words)
    if found is None:
        return None
    seconds = 0.0
    for number, unit in _PART_IN_WORDS.findall(found[1]):
        seconds += float(number) * _SECONDS["ms" if unit.lower() == "milli" else unit.lower()]
    return seconds


def quota_scope(said: str, headers: Mapping[str, str]) -> Scope | None:
    """The period of the quota that a 429 enforces, if its message or headers name one.

    GitHub and Azure AI send ``x-ratelimit-type: UserByModelByDay``, SambaNova
    ``x-ratelimit-remaining-requests-day: 0``.
    """
    said = f"{said} {headers.get('x-ratelimit-type', '')[:MAX_DURATION_CHARS]}"
    if _OF_A_DAY.search(said):
        return "day"
    if _OF_A_MINUTE.search(said):
        return "minute"
    spent = any(_number(headers.get(f"x-ratelimit-remaining-{unit}-day")) == 0 for unit in ("requests", "tokens"))
    return "day" if spent else None


def has_no_quota(headers: Mapping[str, str]) -> bool:
    """True for a model outside the plan: Mistral then answers every request with 429 and a limit of 0."""
    return _number(headers.get("x-ratelimit-limit-req-minute")) == 0


def quota_hints(headers: Mapping[str, str], names: Sequence[QuotaHeaders] = USUAL) -> QuotaHints | None:
    """The account's quota as a reply reports it, under the first of ``names`` that it uses."""
    for known in names:
        if not known.signs.isdisjoint(headers):  # one pass in C: most replies have none of these headers
            return _hints(headers, known)
    return None


def _hints(headers: Mapping[str, str], names: QuotaHeaders) -> QuotaHints | None:
    plain = dict(headers)  # their names are in lower case, and a plain dictionary looks them up faster
    found: dict[str, float] = {}
    for what, name in names.counts.items():
        if (count := _number(plain.get(name))) is not None:
            found[what] = count
    for what, name in names.resets.items():
        if (reset := _reset(plain.get(name))) is not None:
            found[what] = reset
    return QuotaHints(**found) if found else None


def _reset(value: str | None) -> float | None:
    """Seconds of a reset header; ``None`` if it is missing or implausible."""
    seconds = duration(value)
    return None if seconds is None or seconds > MAX_RESET_S else seconds


def _number(value: str | None) -> float | None:
    if value is None or len(value) > MAX_DURATION_CHARS:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def duration(value: str | None) -> float | None:
    """``12ms``, ``6m0s``, ``1h2m3.5s``, or plain seconds -> seconds."""
    if not value or len(value) > MAX_DURATION_CHARS:
        return None
    seconds, end = 0.0, 0
    while (part := _PART.match(value, end)) is not None:
        seconds += float(part[1]) * _SECONDS[part[2]]
        end = part.end()
    return seconds if end == len(value) else _number(value)


def _until(value: str, now: str | None) -> float | None:
    """Seconds from one HTTP date to another. RFC 9110 dates are in GMT; one without a zone is taken for GMT."""
    try:
        since = datetime.now(UTC) if now is None else _date(now)
        seconds = (_date(value) - since).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds)


def _date(value: str) -> datetime:
    date = parsedate_to_datetime(value)
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
