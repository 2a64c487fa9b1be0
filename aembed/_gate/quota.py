"""One quota of an account: so many units a minute, enforced as its server enforces it. Pure.

The server's rule is unknown at first, so the strictest usual one is enforced: no sixty seconds see more than the quota,
which is safe for sliding windows, fixed windows and buckets. Headers may show one of them. They never raise a limit
of the user: it is exceeded by a bucket of one minute's quota at most, and not at all while the rule is unknown.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from aembed._gate.reserve import LOOK_AGAIN_S, MAX_RESERVE_SHARE, MAX_UNRESERVED_S, Reserve
from aembed._gate.window import MINUTE_S, Window, usual_window_s

WindowRule: TypeAlias = Literal["unknown", "bucket", "fixed", "window", "short"]
"""``window``: a sliding window of a minute. ``short``: a window shorter than that, which the pace fills."""

DAY_S = 86_400.0
SHORT_WINDOW_SHARE = 0.9
"""Share of the limit below which a capacity means a window shorter than a minute."""


class ResourceQuota:
    """``limit`` is the lesser of what the user ``stated`` and what replies report; ``None`` while neither is known."""

    def __init__(self, stated: float | None = None, a_day: float | None = None) -> None:
        self.stated = stated
        self.share: float | None = None
        """The ``query_share`` of the user."""
        self.limit: float | None = None
        self.rate = math.inf
        """Units a second."""
        self.capacity = math.inf
        """Largest amount that is ever admitted at once."""
        self.rule: WindowRule = "unknown"
        self.from_headers = False
        """Replies report the limit."""
        self.window = Window()
        self.day: Window | None = None
        self.a_day = math.inf
        """Units a day."""
        self.sent = 0.0
        """Total amount sent, by its estimates."""
        self.holds = 0.0
        """Largest remaining amount that headers have reported."""
        self.span = 0.0
        """Seconds of a short window."""
        self.synced_to = -1.0
        """Value of ``sent`` up to which the level has the count of the server."""
        self.burst = self.level = math.inf
        """Largest and present amount that the server allows at once, as far as headers show."""
        self.window_began, self.window_end = -math.inf, math.inf
        """Start and end of the present fixed window."""
        self.is_capped = False
        """The stated limit is below the reported one, so that the server does not enforce it."""
        self._allowance = self._most_allowed = math.inf
        """Level and size of a bucket of the stated limit."""
        self._reserve, self._now = Reserve(), 0.0
        self.state(stated, a_day)

    def __repr__(self) -> str:
        limit = "unlimited" if self.limit is None else f"{self.rule} limit={self.limit:g}/min level={self.level:g}"
        return f"<ResourceQuota {limit} used={self.window.used:g}>"

    def state(self, limit: float | None, a_day: float | None, share: float | None = None) -> None:
        """Apply new limits of the user."""
        before, self.stated, self.share = self.stated, limit, share
        self._most_allowed = math.inf if limit is None else max(1.0, limit)
        self._allowance = self._most_allowed - self.window.used
        if a_day is None:
            self.day, self.a_day = None, math.inf
        else:
            self.day = self.day or Window(DAY_S)
            self.a_day = a_day
        if self.from_headers and self.limit is not None and (before is None or self.limit < before):
            self.set_limit(self.limit)
        elif limit is not None:
            self.set_limit(limit)
        elif not self.from_headers:
            self.limit, self.rate, self.capacity, self.burst = None, math.inf, math.inf, math.inf

    @property
    def is_short(self) -> bool:
        """Headers show a window shorter than a minute, in which an unused reserve expires soon."""
        return self.rule == "unknown" and self.burst < SHORT_WINDOW_SHARE * self.capacity

    @property
    def window_s(self) -> float:
        """Length of the server's window, by the largest amount that it was seen to hold."""
        return MINUTE_S if self.burst >= SHORT_WINDOW_SHARE * self.capacity else usual_window_s(self.burst / self.rate)

    @property
    def _allowed(self) -> float:
        """Amount that the stated limit allows at once: of a fixed window's, one more, as two windows meet."""
        return self._allowance if self.rule == "bucket" else self._allowance + self._most_allowed

    @property
    def _whole(self) -> float:
        """A minute's quota, one unit at least."""
        return math.inf if self.limit is None else max(1.0, self.limit)

    @property
    def _a_minute(self) -> float:
        """Largest amount of any sixty seconds."""
        if self.is_capped:  # the server would admit more, but no minute may see more than the user states
            return self._whole
        is_free = self.rule in {"bucket", "fixed"} or (self.rule == "short" and self.stated is None)
        return math.inf if is_free else self.capacity

    def never_allows(self, amount: float) -> bool:
        return amount > self.capacity or amount > self.a_day

    def earliest(self, now: float, amount: float, aside: float = 0.0, *, leave_reserve: bool = False) -> float:
        """When ``amount`` may be admitted and still leave ``aside``: ``now``, or a time worth asking again."""
        if self.limit is None and self.day is None:
            return now
        if now != self._now:
            self.advance(now)
        if not leave_reserve:
            return self._when(now, amount, aside, aside)
        kept = aside + (self.usual_query() if self.is_short else self.reserve(now))
        # A document that fits along with this minute's queries does not wait for those of the next.
        of_window = min(kept, max(0.0, self.capacity - amount - self.window.others))
        when = self._when(now, amount, min(of_window, MAX_RESERVE_SHARE * self.burst), of_window)
        if when > now + LOOK_AGAIN_S and self._when(now, amount, aside, aside) <= now:
            return now + LOOK_AGAIN_S
        return when

    def _when(self, now: float, amount: float, of_level: float, of_window: float) -> float:
        """When ``amount`` may be admitted and leave so much of the level, and of the minute."""
        when = now
        if self.limit is not None:
            needed = amount + of_level
            most = needed if needed < self.burst else self.burst
            if self.level < most and self.rule != "short":
                when = self.window_end if self.rule == "fixed" else now + (most - self.level) / self.rate
            if self.rule in {"bucket", "fixed"} and (lacking := most - self._allowed) > 0:
                when = max(when, now + lacking / self.rate)
            if 0 < self.window.used > self._a_minute - amount - of_window:
                when = max(when, self.window.next_expiry(now))
        if self.day is not None and 0 < self.day.used > self.a_day - amount:
            when = max(when, self.day.next_expiry(now))
        return when

    def left_over(self, now: float, amount: float) -> float:
        """Amount that may be used now without a delay of ``amount``, which waits."""
        rest = math.inf if self.day is None else self.a_day - self.day.used - amount
        if self.limit is not None:
            when, free = self.window.left_over(now, self._a_minute, amount)
            rest, refilled = min(rest, free), (when - now) * self.rate
            if self.rule in {"bucket", "fixed"}:
                rest = min(rest, self._allowed + refilled - amount)
            if self.rule != "short" and not (self.rule == "fixed" and self.level < amount):  # else its end refills it
                rest = min(rest, self.level + refilled - amount)
        return max(0.0, rest)

    def remaining(self, now: float) -> float | None:
        """About the amount that could be sent now; ``None`` without a limit. It changes nothing: any thread may ask."""
        if self.limit is None:
            return None
        passed = max(0.0, now - self._now)
        if passed >= MINUTE_S or (self.rule == "fixed" and now >= self.window_end):
            return self.capacity
        level = self.level if self.rule == "fixed" else self.level + passed * self.rate
        room = self.burst if self.rule in {"bucket", "fixed"} else self.capacity - self.window.used
        return max(0.0, min(level, self.burst, room))

    def reserve(self, now: float, window: Window | None = None) -> float:
        """Amount that documents leave to queries until there is room again, in the quota or in a shorter ``window``."""
        if window is not None:
            if window.span <= MAX_UNRESERVED_S:
                return 0.0
            return min(self._reserve.until_room(now, self.window, window), MAX_RESERVE_SHARE * self.rate * window.span)
        if self.rule == "fixed":
            return self._reserve.until_end(now, self.window, self.window_end - now)
        return self._reserve.until_room(now, self.window, self.window)

    def usual_query(self) -> float:
        """Amount of one query; 0 while there are none."""
        return self._reserve.query if self.window.others > 0 else 0.0

    def commit(self, now: float, amount: float, is_query: bool) -> None:
        """Admit ``amount``."""
        if now != self._now:
            self.advance(now)
        self.window.sent(now, amount, is_query)
        if self.day is not None:
            self.day.sent(now, amount, is_query)
        self.sent += amount
        self.level -= amount
        self._allowance -= amount
        if is_query:
            self._reserve.queried(now, amount)

    def correct(self, delta: float, sent_before: float, is_query: bool) -> None:
        """The server counted ``delta`` more. An amount that a newer header includes is not counted a second time."""
        if sent_before >= self.synced_to:
            self.level -= delta
        self._allowance -= delta
        self.window.correct(delta, is_query)
        if self.day is not None:
            self.day.correct(delta, is_query)

    def ended(self, now: float, sent_at: float, amount: float, is_query: bool) -> None:
        """By now the server has counted the request, if ever."""
        self.window.answered(now, sent_at, amount, is_query)
        if self.day is not None:
            self.day.answered(now, sent_at, amount, is_query)

    def set_limit(self, limit: float) -> bool:
        """Set the limit per minute, at most the stated one. False if nothing changes."""
        if self.stated is not None:
            self.is_capped = self.from_headers and self.stated < limit
            limit = min(limit, self.stated)
        if limit == self.limit:
            return False
        whole = self.burst >= self.capacity
        self.limit = limit
        self.capacity = self._whole
        self.rate = limit / MINUTE_S
        self.burst = self.capacity if whole else min(self.burst, self.capacity)
        self.level = min(self.level, self.burst)
        self._reserve.set_limit(limit, self.share)
        return True

    def use_as_bucket(self, burst: float) -> None:
        self.rule = "bucket"
        self.burst = min(max(1.0, burst), self._whole)
        self.capacity = min(self.capacity, self.burst + 1)  # one: remaining is reported in whole units

    def use_as_window(self) -> None:
        self.rule = "window"
        self.burst = self.capacity = self._whole

    def use_as_short(self, reset: float) -> None:
        """``reset``: the longest one; the window is as long, if it held a request that had just come."""
        self.use_as_unknown()
        self.rule = "short"
        self.span = max(self.holds / self.rate, reset)

    def use_as_fixed(self, window_end: float) -> None:
        if self.rule != "fixed":  # what seemed to be the use of others was counted by another rule
            self.window.drop_foreign(self.window.foreign_used)
        self.rule = "fixed"
        self.window_end = window_end

    def use_as(self, other: ResourceQuota) -> None:
        """Apply the rule of another quota of the same server, of which alone headers report."""
        if other.rule == self.rule == "fixed":
            self.window_end = other.window_end
        elif other.rule == "fixed":
            self.use_as_fixed(other.window_end)
            if other.burst < SHORT_WINDOW_SHARE * other.capacity:  # most of the last minute was sent in earlier windows
                self.burst = min(self.capacity, max(1.0, other.burst / other.rate * self.rate))
                self.level = min(self.level, self.burst - self.window.flying)
            else:
                self.level = min(self.level, self.capacity - self.window.used)
        elif other.rule == "bucket" and self.rule != "bucket":
            self.use_as_bucket(other.burst / other.rate * self.rate)
            self.level = min(self.level, self.burst - self.window.flying)
        elif other.rule == "unknown" and self.rule != "unknown":
            self.use_as_unknown()

    def use_as_unknown(self) -> None:
        self.rule = "unknown"
        self.window_end = math.inf
        self.capacity = self._whole

    def advance(self, now: float) -> None:
        """Refill until ``now``, and forget expired entries."""
        self.window.advance(now)
        if self.day is not None:
            self.day.advance(now)
        if self.limit is not None:
            gain = (now - self._now) * self.rate
            if self.rule != "fixed":
                level = self.level + gain
                self.level = level if level < self.burst else self.burst
            elif now >= self.window_end:
                self.level = self.burst - self.window.flying
                self.window_began, self.window_end = now, now + self.window_s  # until a reply says it better
            allowance = self._allowance + gain
            self._allowance = allowance if allowance < self._most_allowed else self._most_allowed
        self._now = now
