"""Quota headers of a server."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Which headers there are."""

    limits: bool = True
    """The quota headers of the dialect, if it has any, on every answer."""
    retry_after: Literal["seconds", "milliseconds", "date"] | None = "seconds"
    """On a 429, rounded up. ``milliseconds`` is ``retry-after-ms`` next to the seconds; ``date`` is an HTTP date."""
    skew: float = 0.0
    """Seconds by which the server's dates are wrong."""

    @classmethod
    def hidden(cls) -> Hints:
        """No quota headers and no Retry-After: a 429 is all that clients learn."""
        return cls(limits=False, retry_after=None)

    def date(self) -> str:
        """Now, as an HTTP date by the server's clock."""
        return _http_date(self._now())

    def retry_after_headers(self, wait: float) -> Mapping[str, str]:
        """Headers of a 429 that ends in ``wait`` seconds; none if it never ends."""
        if not 0 < wait < math.inf:
            return {}
        match self.retry_after:
            case None:
                return {}
            case "seconds":
                return {"retry-after": str(math.ceil(wait))}
            case "milliseconds":
                return {"retry-after-ms": str(math.ceil(wait * 1000)), "retry-after": str(math.ceil(wait))}
            case "date":
                now = self._now()
                then = now + timedelta(seconds=math.ceil(wait))
                return {"date": _http_date(now), "retry-after": _http_date(then)}

    def _now(self) -> datetime:
        return (datetime.now(UTC) + timedelta(seconds=self.skew)).replace(microsecond=0)


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)
