"""Quotas as providers count them. Pure: the time is an argument, so that virtual time and a server use the same ones.

    Bucket          refills all the time, and holds ``span`` seconds of quota: OpenAI with 60, Azure with 1 or 10
    SlidingWindow   no more than the quota in any ``span`` seconds
    FixedWindow     no more than the quota between two multiples of ``span`` seconds

A :class:`Quota` says which of them apply to requests, tokens and inputs; a :class:`QuotaKeeper` keeps it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

MeteredResource: TypeAlias = Literal["requests", "tokens", "inputs"]
Algorithm: TypeAlias = Literal["bucket", "sliding", "fixed"]

SLACK = 1e-9
"""Share of the capacity, and part of a second, by which rounding may admit a request early."""


class QuotaMeter(Protocol):
    """Remaining quota of one resource."""

    capacity: float

    def wait(self, now: float, amount: float) -> float:
        """Seconds until ``amount`` is allowed: 0 now, infinity never."""
        ...

    def add(self, now: float, amount: float) -> None:
        """Count ``amount``, whether or not it was allowed."""
        ...

    def used(self, now: float) -> float:
        """Use that counts at this moment."""
        ...

    def reset(self, now: float) -> float:
        """Seconds until nothing counts any more."""
        ...


class Bucket:
    """Holds ``capacity`` and refills by ``rate`` a second; it starts full."""

    def __init__(self, rate: float, capacity: float) -> None:
        self.capacity = capacity
        self._rate = rate
        self._missing = 0.0
        self._at = -math.inf

    def wait(self, now: float, amount: float) -> float:
        if amount > self.capacity:
            return math.inf
        over = self.used(now) + amount - self.capacity
        return 0.0 if over <= self.capacity * SLACK else over / self._rate

    def add(self, now: float, amount: float) -> None:
        self._missing = min(self.capacity, self.used(now) + amount)

    def used(self, now: float) -> float:
        if now > self._at:
            self._missing = max(0.0, self._missing - (now - self._at) * self._rate)
            self._at = now
        return self._missing

    def reset(self, now: float) -> float:
        return self.used(now) / self._rate


class SlidingWindow:
    """Remembers the requests it admitted in the last ``span`` seconds."""

    def __init__(self, capacity: float, span: float) -> None:
        self.capacity = capacity
        self._span = span
        self._entries: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def wait(self, now: float, amount: float) -> float:
        if amount > self.capacity:
            return math.inf
        over = self.used(now) + amount - self.capacity
        for at, counted in self._entries:
            if over <= self.capacity * SLACK:
                return 0.0
            over -= counted
            if over <= self.capacity * SLACK:
                return at + self._span - now
        return 0.0

    def add(self, now: float, amount: float) -> None:
        if amount > 0:
            self._entries.append((now, amount))
            self._used += amount

    def used(self, now: float) -> float:
        while self._entries and self._entries[0][0] + self._span <= now + SLACK:
            self._used -= self._entries.popleft()[1]
        if not self._entries:
            self._used = 0.0  # what rounding left
        return self._used

    def reset(self, now: float) -> float:
        self.used(now)
        return self._entries[-1][0] + self._span - now if self._entries else 0.0


class FixedWindow:
    """Starts from nothing at every multiple of ``span`` seconds."""

    def __init__(self, capacity: float, span: float) -> None:
        self.capacity = capacity
        self._span = span
        self._window = -math.inf
        self._used = 0.0

    def wait(self, now: float, amount: float) -> float:
        if amount > self.capacity:
            return math.inf
        if self.used(now) + amount <= self.capacity * (1 + SLACK):
            return 0.0
        return (self._window + 1) * self._span - now

    def add(self, now: float, amount: float) -> None:
        self._used = self.used(now) + amount

    def used(self, now: float) -> float:
        window = math.floor((now + SLACK) / self._span)
        if window > self._window:
            self._window, self._used = window, 0.0
        return self._used

    def reset(self, now: float) -> float:
        return (self._window + 1) * self._span - now if self.used(now) else 0.0


@dataclass(frozen=True, slots=True)
class QuotaRule:
    """One limit on one resource. ``span`` is the length of a window, or how many seconds of quota a bucket holds."""

    resource: MeteredResource
    per_minute: float
    algorithm: Algorithm = "bucket"
    span: float = 60.0

    def meter(self) -> QuotaMeter:
        """A new one, with all of the quota left."""
        capacity = self.per_minute * self.span / 60.0
        match self.algorithm:
            case "bucket":
                return Bucket(self.per_minute / 60.0, capacity)
            case "sliding":
                return SlidingWindow(capacity, self.span)
            case "fixed":
                return FixedWindow(capacity, self.span)


@dataclass(frozen=True, slots=True)
class Quota:
    """All rules of an account; a request must pass every one of them."""

    rules: tuple[QuotaRule, ...] = ()
    count_rejected: bool = False
    """Rejected requests use up requests too, as OpenAI's do."""

    @classmethod
    def per_minute(
        cls,
        *,
        requests: float | None = None,
        tokens: float | None = None,
        inputs: float | None = None,
        algorithm: Algorithm = "bucket",
        span: float = 60.0,
        count_rejected: bool = False,
    ) -> Quota:
        """The usual quota: every resource is kept in the same way."""
        amounts: dict[MeteredResource, float | None] = {"requests": requests, "tokens": tokens, "inputs": inputs}
        rules = [QuotaRule(name, amount, algorithm, span) for name, amount in amounts.items() if amount is not None]
        return cls(tuple(rules), count_rejected)


@dataclass(frozen=True, slots=True)
class QuotaLevel:
    """Header values of one rule: ``reset`` is the seconds until the quota is full again."""

    resource: MeteredResource
    limit: float
    remaining: float
    reset: float


class QuotaKeeper:
    """Keeps one account's quota. ``now`` is seconds of any clock that does not go back."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.short_of: MeteredResource = "requests"
        """Resource of the last 429."""
        self._meters = [(rule, rule.meter()) for rule in quota.rules]

    def take(self, now: float, requests: float = 1, tokens: float = 0, inputs: float = 0) -> float:
        """Take all and return 0; or take none, and return the seconds until all are allowed (infinity: never)."""
        amounts: dict[MeteredResource, float] = {"requests": requests, "tokens": tokens, "inputs": inputs}
        longest = 0.0
        for rule, meter in self._meters:
            wait = meter.wait(now, amounts[rule.resource])
            if wait > longest:
                longest, self.short_of = wait, rule.resource
        for rule, meter in self._meters:
            if longest == 0 or (self.quota.count_rejected and rule.resource == "requests"):
                meter.add(now, amounts[rule.resource])
        return longest

    def levels(self, now: float) -> Sequence[QuotaLevel]:
        """One per rule, in their order."""
        return [
            QuotaLevel(rule.resource, rule.per_minute, max(0.0, meter.capacity - meter.used(now)), meter.reset(now))
            for rule, meter in self._meters
        ]
