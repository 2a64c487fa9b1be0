"""Quota rules as a server enforces them. Pure: the time is an argument. Independent of the models that aembed ships."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from perf.quota.worlds.world import Rule

ROUNDING = 1e-9
"""Share of the capacity by which sums may err."""


class Meter(Protocol):
    """The count of one rule. ``factor`` scales its capacity and rate from now on."""

    def wait(self, now: float, amount: float) -> float:
        """Seconds until ``amount`` is allowed; 0: now."""
        ...

    def add(self, now: float, amount: float) -> None: ...

    def left(self, now: float) -> float: ...

    def reset(self, now: float) -> float:
        """Seconds until all of the quota is left."""
        ...

    def scale(self, now: float, factor: float) -> None: ...


def meter(rule: Rule) -> Meter:
    kinds: dict[str, type[BucketMeter | SlidingMeter | FixedMeter]] = {
        "bucket": BucketMeter,
        "sliding": SlidingMeter,
        "fixed": FixedMeter,
    }
    return kinds[rule.algorithm](rule)


class BucketMeter:
    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._factor = 1.0
        self._level = rule.capacity
        self._at = 0.0

    def wait(self, now: float, amount: float) -> float:
        if amount > self._capacity:
            return math.inf
        missing = amount - self.left(now)
        return 0.0 if missing <= self._capacity * ROUNDING else missing / self._rate

    def add(self, now: float, amount: float) -> None:
        self._level = max(0.0, self.left(now) - amount)

    def left(self, now: float) -> float:
        self._level = min(max(self._capacity, self._level), self._level + (now - self._at) * self._rate)
        self._at = now
        return self._level

    def reset(self, now: float) -> float:
        return max(0.0, self._capacity - self.left(now)) / self._rate

    def scale(self, now: float, factor: float) -> None:
        level = self.left(now)
        self._factor = factor
        self._level = min(level, self._capacity)

    @property
    def _capacity(self) -> float:
        return self._rule.capacity * self._factor

    @property
    def _rate(self) -> float:
        return self._rule.per_minute * self._factor / 60


class SlidingMeter:
    def __init__(self, rule: Rule) -> None:
        self._span = rule.span
        self._full = self._capacity = rule.capacity
        self._entries: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def wait(self, now: float, amount: float) -> float:
        if amount > self._capacity:
            return math.inf
        over = amount - self.left(now)
        if over <= self._capacity * ROUNDING:
            return 0.0
        for at, used in self._entries:
            over -= used
            if over <= self._capacity * ROUNDING:
                return at + self._span - now
        return self._span

    def add(self, now: float, amount: float) -> None:
        self._entries.append((now, amount))
        self._used += amount

    def left(self, now: float) -> float:
        while self._entries and self._entries[0][0] + self._span <= now:
            self._used -= self._entries.popleft()[1]
        if not self._entries:
            self._used = 0.0
        return self._capacity - self._used

    def reset(self, now: float) -> float:
        self.left(now)
        return self._entries[-1][0] + self._span - now if self._entries else 0.0

    def scale(self, now: float, factor: float) -> None:
        self._capacity = self._full * factor


class FixedMeter:
    def __init__(self, rule: Rule) -> None:
        self._span, self._phase = rule.span, rule.phase
        self._full = self._capacity = rule.capacity
        self._window = -math.inf
        self._used = 0.0

    def wait(self, now: float, amount: float) -> float:
        if amount > self._capacity:
            return math.inf
        over = amount - self.left(now)
        return 0.0 if over <= self._capacity * ROUNDING else self._next() - now

    def add(self, now: float, amount: float) -> None:
        self._used = self._capacity - self.left(now) + amount

    def left(self, now: float) -> float:
        window = math.floor((now - self._phase) / self._span + ROUNDING)
        if window > self._window:
            self._window, self._used = window, 0.0
        return self._capacity - self._used

    def reset(self, now: float) -> float:
        self.left(now)
        return max(0.0, self._next() - now) if self._used else 0.0

    def scale(self, now: float, factor: float) -> None:
        self._capacity = self._full * factor

    def _next(self) -> float:
        return (self._window + 1) * self._span + self._phase
