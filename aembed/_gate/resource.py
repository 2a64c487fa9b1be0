"""One quota: so many units a minute, kept the way its server keeps it. Pure: every method is told the time.

How the server counts is not known at first, so the strictest of the usual rules is kept: never more than the quota in
any sixty seconds. That is safe for a sliding window, a fixed window and a bucket. Headers tell more: of a bucket that
refills continuously ``reset + remaining / rate`` is the same in every reply, the time it takes to fill. Then the bucket
is used as such, whatever its size; it need not hold a whole minute's quota.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, TypeGuard

from aembed._gate.window import WINDOW, Cell, Window

Rule: TypeAlias = Literal["unknown", "bucket", "window"]

SAME = 0.02
"""Two fill times that differ by less than this share of the window are the same."""
TELLING = 0.1
"""Share of the quota by which ``remaining`` must have moved before fill times are compared."""
QUERY_SHARE = 0.01
"""Share of a quota that documents leave to queries while there are none."""
QUERY_SPREAD = 3.0
"""Standard deviations of a random stream of queries that documents leave room for beyond its mean."""
MOST_RESERVED = 0.2
"""Share of a quota, at most, that documents leave to queries."""
LEAST_SEEN = 10.0
"""Seconds of which the queries tell something about the next minute."""


class Entry:
    """An amount that was admitted. ``before`` it so much was sent, of which ``admitted`` was not refused."""

    __slots__ = ("admitted", "amount", "before", "cell", "estimate", "query", "sent_at")

    def __init__(
        self, sent_at: float, amount: float, before: float, admitted: float, cell: Cell, *, query: bool
    ) -> None:
        self.query = query
        self.sent_at = sent_at
        self.amount = self.estimate = amount
        self.before = before
        self.admitted = admitted
        self.cell = cell


class Resource:
    """The requests, tokens or inputs of an account. ``limit`` is per minute; ``None`` while nothing is known."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit: float | None = None
        self.capacity = math.inf
        """The most that is ever admitted at once."""
        self.rate = math.inf
        """Units a second."""
        self._least_reserve = 0.0
        self.rule: Rule = "unknown"
        self.told = False
        """Replies tell the limit, so there is nothing to guess."""
        self.admitted = 0.0
        """All that was sent and not refused, corrected by what replies say."""
        self.window = Window()
        self._configured = math.inf if limit is None else limit
        if limit is not None:
            self._set_limit(limit)
        self._burst = self._level = self.capacity
        self._burst_share = 1.0
        """Of the capacity that a hidden bucket has shown to hold."""
        self._filled_at = 0.0
        self._sent = 0.0
        """All that was ever sent, as it was estimated: where a reply stands in the order of things."""
        self._synced_to = -1.0
        self._query = 1.0
        """The usual amount of a query."""
        self._fill_times: list[tuple[float, float]] = []

    def __repr__(self) -> str:
        limit = "unlimited" if self.limit is None else f"{self.rule} limit={self.limit:g}/min level={self._level:g}"
        return f"<Resource {limit} used={self.used:g}>"

    @property
    def used(self) -> float:
        """Admitted in the last window, as of the last look."""
        return self.window.used

    def reserve(self, now: float) -> float:
        """What documents leave to queries in the next minute, if that brings as many as the last; whole units."""
        window = self.window
        if not window.queries:
            return self._least_reserve
        expected = window.queries * WINDOW / min(WINDOW, max(LEAST_SEEN, now - window.since))
        expected += QUERY_SPREAD * math.sqrt(expected * self._query)
        return float(int(min(max(expected, self._least_reserve) - window.queries, MOST_RESERVED * self.capacity)))

    def earliest(self, now: float, amount: float, *, leave_reserve: bool = False) -> float:
        """When ``amount`` may be admitted, and leave something to queries: ``now``, or a time worth asking again."""
        if self.limit is None:
            return now
        self._advance(now)
        needed = amount
        if leave_reserve:
            needed += self.reserve(now) if self.window.queries else self._least_reserve
        when = now
        if self._level < needed and self._level < (most := min(needed, self._burst)):
            when = now + (most - self._level) / self.rate
        if self.rule != "bucket" and self.window.used + min(needed, self.capacity) > self.capacity:
            when = max(when, self.window.next_expiry(now))
        return when

    def commit(self, now: float, amount: float, *, query: bool = False) -> Entry:
        """Admit ``amount``."""
        self._advance(now)
        cell = self.window.add(now, amount, query=query)
        entry = Entry(now, amount, self._sent, self.admitted, cell, query=query)
        self._sent += amount
        self.admitted += amount
        self._level -= amount
        if query:
            self._query += 0.1 * (amount - self._query)
        return entry

    def correct(self, entry: Entry, actual: float) -> None:
        """The server counted ``actual``. What a header newer than the entry has told is not told a second time."""
        delta = actual - entry.amount
        entry.amount = actual
        self.admitted += delta
        if entry.before >= self._synced_to:
            self._level -= delta
        self.window.correct(entry.cell, delta, query=entry.query)

    def sync(
        self, entry: Entry | None, now: float, limit: float | None, remaining: float | None, reset: float | None
    ) -> None:
        """Learn from the headers of the reply to ``entry``. What is no sensible number means unknown."""
        if _known(limit) and limit:
            self.told = True
            unknown = self.limit is None
            self._adopt(limit, now)
            if unknown and _known(remaining) and limit - remaining > self.window.used:
                self.window.add(now, limit - remaining - self.window.used)  # what was sent before anybody counted
        elif not remaining:
            return  # nothing left of an unknown limit: Azure says so where it keeps none
        if self.limit is None or entry is None or not _known(remaining) or entry.before < self._synced_to:
            return
        self._advance(now)
        self._synced_to = entry.before
        if _known(reset):
            self._recognise(remaining, reset)
        sent_since = self._sent - entry.before - entry.estimate
        least = remaining - sent_since
        most = remaining + (now - entry.sent_at) * self.rate + 1
        if self.rule == "bucket":
            self._level = min(max(self._level, least), max(most, least), self._burst)
        elif self.rule == "unknown":
            self._level = min(self._level, most)
        elif (foreign := self.limit - remaining - self.window.used) > 0:
            self.window.add(now, foreign)

    def drain(self, now: float, wait: float, amount: float) -> None:
        """Refused although we counted on room: ``amount`` will be there in ``wait`` seconds, the server says.

        Without headers the likely reason is a bucket smaller than a minute's quota: save up less in future. A window
        refills at once, so there the pause is enough.
        """
        if self.limit is None or self.rule == "window":
            return
        self._advance(now)
        level = amount - wait * self.rate
        if level < self._level:
            if self.rule != "bucket" or not self.told:
                self._burst = min(self._burst, max(1.0, amount, self.rate, self._burst - (self._level - level)))
            self._level = level

    def set_bucket(self, per_minute: float, now: float) -> None:
        """It is a bucket, empty now, that refills at this rate."""
        self._advance(now)
        self._burst_share = self._burst_share if self.rule == "bucket" else 1.0
        self._set_limit(min(per_minute, self._configured))
        self._burst = max(1.0, self._burst_share * self.capacity)
        self.rule = "bucket"
        self._level = min(self._level, 0.0) if math.isfinite(self._level) else 0.0
        self._filled_at = now

    def halve_burst(self) -> None:
        """A rest did not save up as much as it should have."""
        self._burst_share /= 2

    def set_window(self, limit: float, now: float) -> None:
        """It is a window that lets in this much."""
        self._advance(now)
        self._set_limit(min(limit, self._configured))
        self._burst = self._level = self.capacity
        self.rule = "window"
        self._filled_at = now

    def raise_limit(self, factor: float) -> None:
        """Try more than what is known to work, but never more than the user allows."""
        if self.limit is not None:
            self._set_limit(min(self.limit * factor, self._configured))
            self._burst = max(1.0, self._burst_share * self.capacity)

    def _set_limit(self, limit: float) -> None:
        self.limit = limit
        self.capacity = max(1.0, limit)
        self.rate = limit / WINDOW
        self._least_reserve = float(int(QUERY_SHARE * limit))

    def _adopt(self, limit: float, now: float) -> None:
        limit = min(limit, self._configured)
        if limit == self.limit:
            return
        self._advance(now)
        whole = self.limit is None or self._burst == self.capacity
        if self.limit is None:
            self._level = limit - self.window.used
            self._filled_at = now
        self._set_limit(limit)
        self._burst = self.capacity if whole else min(self._burst, self.capacity)
        self._level = min(self._level, self._burst)
        self._fill_times.clear()

    def _recognise(self, remaining: float, reset: float) -> None:
        """Bucket or window? Compare the times to fill that replies imply, once ``remaining`` has moved enough."""
        assert self.limit is not None
        self._fill_times.append((remaining, reset + remaining / self.rate))
        levels = [level for level, _ in self._fill_times]
        if max(levels) - min(levels) < max(2.0, TELLING * self.limit):
            del self._fill_times[2:-1]
            return
        times = [time for _, time in self._fill_times]
        rounding = 1.0 / self.rate
        self._fill_times.clear()
        if max(times) - min(times) <= SAME * WINDOW + rounding:
            self.rule = "bucket"
            self._burst = min(self.capacity, max(1.0, max(times) * self.rate))
        else:
            self.rule = "window"
            self._burst = self.capacity

    def _advance(self, now: float) -> None:
        self.window.advance(now)
        elapsed = now - self._filled_at
        if elapsed > 0 and self.limit is not None:
            level = self._level + elapsed * self.rate
            self._level = min(self._burst, level)
            self._filled_at = now


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and 0 <= value < math.inf
