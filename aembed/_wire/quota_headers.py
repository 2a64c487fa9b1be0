"""What headers say about time and quota. Anything that is no sensible number means unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from aembed._types import QuotaHints

LONGEST = 40
"""Characters of the longest duration that makes sense."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_TELLING = tuple(f"x-ratelimit-{what}-{unit}" for unit in ("requests", "tokens") for what in ("limit", "remaining"))
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: ``retry-after-ms``, or ``retry-after`` in seconds or as a date against the server's clock.

    Source: RFC 9110 section 10.2.3; ``retry-after-ms`` as OpenAI and Azure send it.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    return _number(value) if value is None or _number(value) is not None else _until(value, headers.get("date"))


def quota_hints(headers: Mapping[str, str]) -> QuotaHints | None:
    """The ``x-ratelimit-{limit,remaining,reset}-{requests,tokens}`` headers, as OpenAI defined them.

    Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
    """
    for name in _TELLING:
        if name in headers:
            break
    else:
        return None
    values = {
        f"{what}_{unit}": duration(headers.get(f"x-ratelimit-{what}-{unit}"))
        if what == "reset"
        else _number(headers.get(f"x-ratelimit-{what}-{unit}"))
        for unit in ("requests", "tokens")
        for what in ("limit", "remaining", "reset")
    }
    return QuotaHints(**values) if any(value is not None for value in values.values()) else None


def _number(value: str | None) -> float | None:
    if value is None or len(value) > LONGEST:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def duration(value: str | None) -> float | None:
    """``12ms``, ``6m0s``, ``1h2m3.5s``, or plain seconds -> seconds."""
    if not value or len(value) > LONGEST:
        return None
    parts = _DURATION.findall(value)
    if "".join(number + unit for number, unit in parts) != value:
        return _number(value)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _until(value: str, now: str | None) -> float | None:
    """From one HTTP date to another, both by the server's clock; ours may be wrong."""
    if now is None:
        return None
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, seconds)
