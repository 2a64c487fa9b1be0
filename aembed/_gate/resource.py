"""One quota: so many units a minute, kept the way its server keeps it. Pure: every method is told the time.

How the server counts is not known at first, so the strictest of the usual rules is kept: never more than the quota in
any sixty seconds. That is safe for a sliding window, a fixed window and a bucket. Headers and refusals tell more: a
bucket is used as such once it is recognised, whatever its size; it need not hold a whole minute's quota.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from aembed._gate.reserve import Reserve
from aembed._gate.window import WINDOW, Window

Rule: TypeAlias = Literal["unknown", "bucket", "window"]


class Entry:
    """An amount that was admitted. ``before`` it so much was sent, of which ``admitted`` was not refused."""

    __slots__ = ("admitted", "amount", "before", "estimate", "query", "sent_at")

    def __init__(self, resource: Resource, now: float, amount: float, query: bool) -> None:
        self.sent_at = now
        self.amount = self.estimate = amount
        self.before = resource.sent
        self.admitted = resource.admitted
        self.query = query


class Resource:
    """The requests, tokens or inputs of an account. ``limit`` is per minute; ``None`` while nothing is known."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit: float | None = None
        self.rate = math.inf
        """Units a second."""
        self.capacity = math.inf
        """The most that is ever admitted at once."""
        self.rule: Rule = "unknown"
        self.told = False
        """Replies tell the limit, so there is nothing to guess."""
        self.guessed = False
        """The limit is an estimate."""
        self.window = Window()
        self.sent = self.admitted = 0.0
        """All that was ever sent, as it was estimated; and what of it was not refused, as it was counted."""
        self.synced_to = -1.0
        """Whatever was sent before is in the level already, as the server counted it."""
        self._configured = math.inf if limit is None else limit
        self._reserve = Reserve()
        self.burst = self.level = math.inf
        """What a bucket holds at most, and now."""
        self._now = 0.0
        self.unlearn()

    def configure(self, limit: float | None) -> None:
        """Another limit of the user's."""
        self._configured = math.inf if limit is None else limit
        if not self.told:
            self.unlearn()

    def __repr__(self) -> str:
        limit = "unlimited" if self.limit is None else f"{self.rule} limit={self.limit:g}/min level={self.level:g}"
        return f"<Resource {limit} used={self.used:g}>"

    @property
    def used(self) -> float:
        """Admitted in the last window, as of the last look."""
        return self.window.used

    def never_allows(self, amount: float) -> bool:
        """It is more than the account may use at once. What is above a guess may be possible all the same."""
        return amount > (max(1.0, self._configured) if self.guessed else self.capacity)

    def earliest(self, now: float, amount: float, leave_reserve: bool = False) -> float:
        """When ``amount`` may be admitted, and leave something to queries: ``now``, or a time worth asking again."""
        if self.limit is None:
            return now
        if now != self._now:
            self.advance(now)
        if leave_reserve:
            amount += self._reserve.amount(now, self.window, bucket=self.rule == "bucket")
        when = now
        if self.level < amount and self.level < (most := min(amount, self.burst)):
            when = now + (most - self.level) / self.rate
        if self.rule != "bucket" and 0 < self.window.used > self.capacity - amount:
            when = max(when, self.window.next_expiry(now))
        return when

    def commit(self, now: float, amount: float, query: bool = False) -> Entry:
        """Admit ``amount``."""
        if now != self._now:
            self.advance(now)
        entry = Entry(self, now, amount, query)
        self.window.sent(now, amount, query)
        self.sent += amount
        self.admitted += amount
        self.level -= amount
        if query:
            self._reserve.queried(amount)
        return entry

    def correct(self, entry: Entry, actual: float) -> None:
        """The server counted ``actual``. What a header newer than the entry has told is not told a second time."""
        delta = actual - entry.amount
        entry.amount = actual
        self.admitted += delta
        if entry.before >= self.synced_to:
            self.level -= delta
        self.window.correct(delta, entry.query)

    def ended(self, entry: Entry, now: float) -> None:
        """By now the server has counted it, if ever."""
        self.window.answered(now, entry.amount, entry.query)

    def set_limit(self, limit: float) -> bool:
        """So much a minute, but never more than the user allows. False if it was so already."""
        limit = min(limit, self._configured)
        if limit == self.limit:
            return False
        self.limit = limit
        self.capacity = max(1.0, limit)
        self.rate = limit / WINDOW
        self._reserve.set_limit(limit)
        return True

    def unlearn(self) -> None:
        """Back to what the user allows, if anything."""
        self.limit, self.rate, self.capacity = None, math.inf, math.inf
        self.rule, self.guessed = "unknown", False
        if self._configured < math.inf:
            self.set_limit(self._configured)
        self.burst = self.capacity
        self.level = self.capacity - self.used

    def use_as_bucket(self, burst: float) -> None:
        self.rule = "bucket"
        self.burst = min(self.capacity, max(1.0, burst))

    def use_as_window(self) -> None:
        assert self.limit is not None
        self.rule = "window"
        self.burst = self.capacity = max(1.0, self.limit)

    def advance(self, now: float) -> None:
        """Refill until ``now``, and forget what has left the window."""
        cells = self.window.cells
        if cells and cells[0].expires <= now:
            self.window.advance(now)
        if self.level < self.burst:
            self.level += (now - self._now) * self.rate
            self.level = min(self.level, self.burst)
        self._now = now
