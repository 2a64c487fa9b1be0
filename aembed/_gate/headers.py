"""Headers of replies: limit, remaining amount and reset of a quota. Pure."""

from __future__ import annotations

import math
from typing import TypeGuard

from aembed._gate.quota import SHORT_WINDOW_SHARE, ResourceQuota
from aembed._gate.refill_detector import RefillDetector
from aembed._gate.reservation import Reservation
from aembed._gate.window import MINUTE_S
from aembed._gate.window_end import WindowEnd

MIN_SENSIBLE_VALUE, MAX_SENSIBLE_VALUE = 1e-3, 1e12
"""Bounds of sensible limits, amounts and seconds; beyond them a rate may be no finite number."""
MAX_RESET_S = 1.05 * MINUTE_S
"""Longest reset that says something of a minute's quota; a longer one is of an hour or a day (Groq's of requests)."""
RESET_DIGITS = 3
"""Digits of a reset, in seconds: servers report milliseconds, and rounding must not make a window a little longer."""
RESET_MARGIN_FACTOR = 1.1
"""Factor on the longest reset: the first reply comes slightly after its window began."""
MAX_END_SHIFT_S = 2.0
"""Seconds by which the end of a fixed window may move: resets in whole seconds. More shows a bucket in steady use."""


class Headers:
    """Adjust ``quota``, the one at ``place`` of a reservation's amounts. A value that is not sensible means unknown."""

    def __init__(self, quota: ResourceQuota, place: int) -> None:
        self._quota = quota
        self._place = place
        self._refill = RefillDetector()
        self._end = WindowEnd()
        self._longest_reset = 0.0
        self._limit = math.nan
        """Limit of the last report."""
        self._lowest, self._lowest_since = math.inf, -math.inf
        """Least remaining of the present fixed window, and its start."""

    def sync(
        self, sent: Reservation, now: float, limit: float | None, remaining: float | None, reset: float | None
    ) -> None:
        """Learn from the headers of the reply to ``sent``."""
        quota = self._quota
        if limit != self._limit and _known(limit) and limit:
            self._adopt(limit, now, remaining, reset)
        elif not quota.from_headers and not remaining:
            return  # Azure reports 0 remaining where it has no limit
        before = sent.sent_before[self._place]
        if quota.limit is None or not _known(remaining):
            return
        if quota.rule == "fixed" and not self._is_of_this_window(sent.sent_at, remaining):
            return
        if before < quota.synced_to:
            return
        remaining *= self._part() if quota.is_capped else 1.0
        quota.advance(now)
        quota.synced_to = before
        counted, estimate = (sent.tokens, sent.estimate) if self._place == 1 else (sent.requests, sent.requests)
        if remaining + counted > quota.holds:  # a window or bucket shorter than a minute holds less than its limit
            quota.holds = remaining + counted
            if quota.rule in {"unknown", "fixed", "short"}:
                quota.burst = min(quota.capacity, max(1.0, quota.holds))
        if _known(reset) and reset <= MAX_RESET_S:
            self._recognise(sent.sent_at, now, remaining, reset)
        least = remaining - (quota.sent - before - estimate)
        # The server counted between sending and now, half-way on average, and has refilled since.
        most = remaining + (now - sent.sent_at) / 2 * quota.rate
        self._correct(now, remaining, reset, least, most if most > least else least)

    def _is_of_this_window(self, sent_at: float, remaining: float) -> bool:
        """Note the least remaining, also of replies that come too late to say more."""
        began = self._quota.window_began
        if sent_at < began:
            return False
        if self._lowest_since < began:
            self._lowest_since, self._lowest = began, math.inf
        self._lowest = min(self._lowest, remaining)
        self._quota.level = min(self._quota.level, self._lowest)
        return True

    def _correct(self, now: float, remaining: float, reset: float | None, least: float, most: float) -> None:
        """Bring the level between ``least`` and ``most``."""
        quota = self._quota
        assert quota.limit is not None, "the caller looked"
        # Replies overtake each other: requests in flight may have been sent before this one and be counted after it.
        sure = remaining - quota.window.flying
        if quota.rule in {"bucket", "fixed"} and quota.is_capped:  # never raised: the rest may belong to others
            quota.level = min(quota.level, most, quota.burst)
        elif quota.rule == "bucket":
            level = quota.level if quota.level > sure else sure
            quota.level = min(level if level < most else most, quota.burst)
        elif quota.rule == "fixed":
            quota.level = min(max(quota.level, min(sure, self._lowest - quota.window.flying)), remaining, quota.burst)
        elif quota.rule == "unknown":
            quota.level = min(quota.level, most)
        elif quota.rule == "window":
            self._count_foreign(now, self._capacity(quota.limit) - least, reset)
            # A request that overtakes another seems to be someone else's until a later reply shows that it is not.
            quota.window.drop_foreign(quota.window.used - quota.window.flying - (quota.limit - least))

    def _adopt(self, limit: float, now: float, remaining: float | None, reset: float | None) -> None:
        quota = self._quota
        self._limit = limit
        quota.from_headers = True
        before = quota.limit
        quota.advance(now)
        quota.holds = 0.0
        if not quota.set_limit(limit):
            return
        if before is None:
            quota.burst = quota.capacity
            quota.level = quota.capacity - quota.window.used
            if _known(remaining):  # requests were sent before the count began
                self._count_foreign(now, limit - remaining, reset, is_recent=False)
        self._refill.forget()

    def _part(self) -> float:
        """Part of the account that the user states; its other users have theirs of what remains, too."""
        stated = self._quota.stated
        return 1.0 if stated is None else stated / self._limit

    def _count_foreign(self, now: float, used: float, reset: float | None, *, is_recent: bool = True) -> None:
        """Count the part of ``used`` that is not our own; it expires after ``reset``."""
        window = self._quota.window
        unsure = window.flying if self._place == 1 else 0.0  # tokens of which are estimates
        foreign = used - window.used - unsure
        if foreign > 0 and reset != 0:
            seconds = min(reset, MINUTE_S) if _known(reset) else MINUTE_S
            window.add_foreign(now, foreign, seconds, is_recent=is_recent)

    def _capacity(self, limit: float) -> float:
        """Capacity of the server's window as far as headers show: below the limit if the window is short."""
        return min(limit, max(self._quota.holds, limit * RESET_MARGIN_FACTOR * self._longest_reset / MINUTE_S))

    def _recognise(self, sent_at: float, now: float, remaining: float, reset: float) -> None:
        quota = self._quota
        self._longest_reset = max(self._longest_reset, reset)
        rule = self._refill.saw(now, remaining, reset, quota.rate)
        agrees = self._end.saw(sent_at, now, remaining, reset, quota.rate)
        if quota.rule == "fixed" and self._end.latest > quota.window_end + MAX_END_SHIFT_S:
            self._end.reject()
            quota.use_as_unknown()
        elif quota.rule == "fixed":
            quota.use_as_fixed(min(quota.window_end, self._end.latest))
        elif agrees and quota.rule != "bucket":
            quota.use_as_fixed(self._end.latest)
        elif rule == "bucket":
            quota.use_as_bucket(self._refill.seconds * quota.rate)
        elif rule == "window" and quota.limit is not None:
            capacity = self._capacity(quota.limit)
            if capacity > SHORT_WINDOW_SHARE * quota.limit:
                quota.use_as_window()
            elif not quota.is_capped:  # or the rest of a part says nothing of the whole
                quota.use_as_short(round(self._longest_reset, RESET_DIGITS))


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and (value == 0 or MIN_SENSIBLE_VALUE <= value <= MAX_SENSIBLE_VALUE)
