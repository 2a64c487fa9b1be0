"""Rate limit headers and Retry-After, right and wrong."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from aembed import QuotaHints
from perf.quota.worlds.meters import Meter
from perf.quota.worlds.world import DAY, Resource, Rule, World


class Headers:
    """The hints of a reply, from the meters as they are when the request is counted."""

    def __init__(self, world: World, meters: Mapping[Rule, Meter]) -> None:
        self._world = world
        self._meters: dict[Resource, tuple[Rule, Meter]] = {}
        for rule, meter in meters.items():
            if (rule.span == DAY) == (world.headers == "per day" and rule.resource == "requests"):
                self._meters[rule.resource] = rule, meter
        self._past: deque[tuple[float, QuotaHints]] = deque()

    def hints(self, now: float) -> QuotaHints | None:
        match self._world.headers:
            case "none":
                return None
            case "requests":
                return self._of(now, with_tokens=False)
            case "azure":
                return self._of(now, with_tokens=False, limit_tokens=-1.0, remaining_tokens=-1.0)
            case "zeros":
                zeros = dict.fromkeys(("limit_tokens", "remaining_tokens", "limit_requests", "remaining_requests"), 0.0)
                return QuotaHints(**zeros)
            case "delayed":
                self._past.append((now, self._of(now)))
                while len(self._past) > 1 and self._past[1][0] <= now - self._world.headers_delay:
                    self._past.popleft()
                return self._past[0][1]
            case _:
                return self._of(now)

    def _of(self, now: float, *, with_tokens: bool = True, **more: float) -> QuotaHints:
        values = self._values("requests", now) | more
        if with_tokens:
            values |= self._values("tokens", now)
        return QuotaHints(**values)

    def _values(self, resource: Resource, now: float) -> dict[str, float]:
        if resource not in self._meters:
            return {}
        rule, meter = self._meters[resource]
        left, reset = max(0.0, meter.left(now)), meter.reset(now)
        limit = rule.per_minute * self._world.factor(now)
        match self._world.headers:
            case "too high":
                spare = limit * (self._world.headers_factor - 1)
                limit, left = limit + spare, left + spare
            case "constant":
                left, reset = limit, 0.0
            case "per window":
                limit *= rule.span / 60
            case "per day" if rule.span == DAY:
                limit *= DAY / 60
            case _:
                pass
        return {f"limit_{resource}": limit, f"remaining_{resource}": math.floor(left), f"reset_{resource}": reset}


def retry_after(world: World, wait: float) -> float | None:
    """The server's wording of ``wait`` seconds."""
    said: dict[str, float | None] = {
        "exact": math.ceil(wait * 1000) / 1000,
        "seconds": float(math.ceil(wait)),
        "rounded": float(round(wait)),
        "absent": None,
        "zero": 0.0,
        "negative": -1.0,
        "nan": math.nan,
        "constant": world.retry_constant,
    }
    return said[world.retry_after]
