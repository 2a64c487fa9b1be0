"""One quota: so many units a minute, kept the way its server keeps it. Pure: every method is told the time.

How the server counts is not known at first, so the strictest of the usual rules is kept: never more than the quota in
any sixty seconds. That is safe for a sliding window, a fixed window and a bucket. Headers tell more: of a bucket that
refills continuously ``reset + remaining / rate`` is the same in every reply, the time it takes to fill. Then the bucket
is used as such, whatever its size; it need not hold a whole minute's quota.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal, TypeAlias

Rule: TypeAlias = Literal["unknown", "bucket", "window"]

WINDOW = 60.0
"""Seconds. Every provider states its quotas by the minute."""
GRAIN = 0.05
"""Seconds that are counted as one, so that the window is never more than some 1,200 cells."""
SAME = 0.02
"""Two fill times that differ by less than this share of the window are the same."""
TELLING = 0.1
"""Share of the quota by which ``remaining`` must have moved before fill times are compared."""


class _Cell:
    """What was admitted within ``GRAIN`` seconds; it counts until it ``expires``."""

    __slots__ = ("amount", "expires", "opened_at")

    def __init__(self, opened_at: float) -> None:
        self.opened_at = opened_at
        self.expires = 0.0
        self.amount = 0.0


class Entry:
    """An amount that was admitted. ``before`` is all that was admitted earlier."""

    __slots__ = ("amount", "before", "cell", "sent_at")

    def __init__(self, sent_at: float, amount: float, before: float, cell: _Cell) -> None:
        self.sent_at = sent_at
        self.amount = amount
        self.before = before
        self.cell = cell


class Resource:
    """The requests, tokens or inputs of an account. ``limit`` is per minute; ``None`` while nothing is known."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self.rule: Rule = "unknown"
        self.burst = math.inf if limit is None else limit
        """What may be admitted at once after a rest."""
        self.total = 0.0
        """Admitted since the beginning, refunds taken off."""
        self.used = 0.0
        """Admitted in the last window."""
        self._configured = math.inf if limit is None else limit
        self._level = self.burst
        self._filled_at = 0.0
        self._window: deque[_Cell] = deque()
        self._synced_to = -1.0
        self._fill_times: list[tuple[float, float]] = []

    def __repr__(self) -> str:
        limit = "unlimited" if self.limit is None else f"{self.rule} limit={self.limit:g}/min level={self._level:g}"
        return f"<Resource {limit} used={self.used:g}>"

    @property
    def rate(self) -> float:
        """Units a second."""
        return math.inf if self.limit is None else self.limit / WINDOW

    def earliest(self, now: float, amount: float, reserve: float = 0.0) -> float:
        """When ``amount`` may be admitted: ``now``, or a time worth asking again. ``reserve`` is left untouched."""
        limit = self.limit
        if limit is None:
            return now
        self._advance(now)
        needed = min(amount + reserve, self.burst)
        when = now if self._level >= needed else now + (needed - self._level) / self.rate
        if self.rule != "bucket" and self.used + min(amount + reserve, limit) > limit and self._window:
            when = max(when, self._window[0].expires)
        return when

    def commit(self, now: float, amount: float, latency: float) -> Entry:
        """Admit ``amount``. It reaches the server up to ``latency`` from now, and is counted from there."""
        self._advance(now)
        entry = Entry(now, amount, self.total, self._count(now, amount, latency))
        self.total += amount
        self._level -= amount
        return entry

    def correct(self, entry: Entry, actual: float) -> None:
        """The server counted ``actual``. What a header newer than the entry has told is not told a second time."""
        delta = actual - entry.amount
        entry.amount = actual
        self.total += delta
        if entry.before >= self._synced_to:
            self._level -= delta
        if self._window and entry.cell.opened_at >= self._window[0].opened_at:
            entry.cell.amount += delta
            self.used += delta

    def sync(
        self, entry: Entry | None, now: float, limit: float | None, remaining: float | None, reset: float | None
    ) -> None:
        """Learn from the headers of the reply to ``entry``. A limit of zero means unknown, as nothing at all does."""
        if limit:
            self._adopt(limit, now)
        if self.limit is None or remaining is None or entry is None or entry.before < self._synced_to:
            return
        self._advance(now)
        self._synced_to = entry.before
        if reset is not None:
            self._recognise(remaining, reset)
        sent_since = self.total - entry.before - entry.amount
        least = remaining - sent_since
        most = remaining + (now - entry.sent_at) * self.rate + 1
        self._level = (
            min(max(self._level, least), max(most, least), self.burst)
            if self.rule == "bucket"
            else min(self._level, most)
        )
        foreign = self.limit - remaining - self.used
        if self.rule == "window" and foreign > 0:
            self._count(now, foreign, 0.0)

    def _count(self, now: float, amount: float, latency: float) -> _Cell:
        window = self._window
        if not window or now - window[-1].opened_at > GRAIN:
            window.append(_Cell(now))
        cell = window[-1]
        cell.amount += amount
        cell.expires = max(cell.expires, now + WINDOW + latency)
        self.used += amount
        return cell

    def drain(self, now: float, wait: float, amount: float) -> None:
        """Refused although we counted on room: ``amount`` will be there in ``wait`` seconds, the server says."""
        if self.limit is not None:
            self._advance(now)
            self._level = min(self._level, amount - wait * self.rate)

    def set_bucket(self, per_minute: float, now: float) -> None:
        """It is a bucket, empty now, that refills at this rate."""
        self._advance(now)
        self.limit = self.burst = min(per_minute, self._configured)
        self.rule = "bucket"
        self._level = min(self._level, 0.0) if math.isfinite(self._level) else 0.0
        self._filled_at = now

    def set_window(self, limit: float, now: float) -> None:
        """It is a window that lets in this much."""
        self._advance(now)
        self.limit = self.burst = self._level = min(limit, self._configured)
        self.rule = "window"
        self._filled_at = now

    def raise_limit(self, factor: float) -> None:
        """Try more than what is known to work, but never more than the user allows."""
        if self.limit is not None:
            self.limit = self.burst = min(self.limit * factor, self._configured)

    def _adopt(self, limit: float, now: float) -> None:
        limit = min(limit, self._configured)
        if limit == self.limit:
            return
        self._advance(now)
        whole = self.limit is None or self.burst == self.limit
        if self.limit is None:
            self._level = limit - self.used
            self._filled_at = now
        self.limit = limit
        self.burst = limit if whole else min(self.burst, limit)
        self._level = min(self._level, self.burst)
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
            self.burst = min(self.limit, max(times) * self.rate)
        else:
            self.rule = "window"
            self.burst = self.limit

    def _advance(self, now: float) -> None:
        window = self._window
        while window and window[0].expires <= now:
            self.used -= window.popleft().amount
        if self.limit is not None and now > self._filled_at:
            self._level = min(self.burst, self._level + (now - self._filled_at) * self.rate)
            self._filled_at = now
