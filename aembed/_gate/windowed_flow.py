"""Bursts for a long window with a hidden limit: as fast as possible, then nothing until there is room again.

Pure. Amounts and length of the window have been measured. The limit recovers after each closure along the curve of
CUBIC (RFC 9438): fast back to where it was, flat around it, and ever faster beyond; beyond what the window has shown to
hold requests feel their way.
"""

from __future__ import annotations

import math

from aembed._gate.burst_flow import BurstFlow
from aembed._gate.episode import ALL_SUSPECTS, AdmittedAmounts, Episode, Pause, Suspects
from aembed._gate.window import MINUTE_S, Window

FIRST_SHARE = 0.98
"""Share of the measured amount to begin with."""
RECOVERY_S, MAX_RECOVERY_S = 10.0, 90.0
"""Seconds until the limit is back where it was: six closures a minute at most."""
REQUESTS_PER_CLOSURE = 100.0
"""A slower server gets as much more time to recover, so that probing costs about one 429 in a hundred requests."""
PROBING_SHARE = 0.3
"""The limit is 1 + this at twice the recovery time, 1 + 8 x this at three times: a doubled quota is found in 2.5."""
MAX_GROWTH_FACTOR = 30.0
"""A limit that has grown so many times limits nothing any more."""
SUSPECT_FILL_SHARE = 0.95
"""A resource whose share of its limit is this near to the highest may be the one that is short."""
NEARLY_EMPTY_SHARE = 0.5
"""A closure with less content than this share has another cause than a full window."""
EMPTY_CLOSURES = 2
"""Consecutive nearly empty closures that contradict the window: a single one may be an outage."""
MIN_WINDOW_S = 15.0
"""Shortest window filled in bursts while its limit is hidden; in a shorter one evenness costs less than the search."""
SCOUT_S = 2.0
"""After so long a wait for room a single request finds out whether the window is open: its end is known roughly."""
CLOSED_TIME_SHARE = 0.5
"""Smallest closed share of the time between two openings if one burst filled the window."""
EARLY_OPENING_SHARE = 0.4
"""A server that opens within this share of the time until the oldest entries expire has no such window."""
MIN_CLOSURE_S = 2.0
"""Closures this short prove nothing: the oldest entries may just have expired."""


class WindowedFlow(BurstFlow):
    """``amounts`` of requests and tokens fit into ``span`` seconds; ``windows`` have the latest requests."""

    def __init__(
        self, now: float, span: float, amounts: AdmittedAmounts, known: AdmittedAmounts, windows: tuple[Window, Window]
    ) -> None:
        super().__init__(now, span, windows)
        self._known = known
        self.amounts = [max(1.0, amount) for amount in amounts]
        self._explorers = 1
        """Requests allowed in flight beyond the measured amount; each success adds one."""
        self._is_exploring = False
        self._opened_at = now
        self._healthy_since = now
        self._content = [0.0, 0.0]
        """Admitted content of the window when it closed."""
        self._expected = 0.0
        """Seconds from the closure until there should be room again."""
        self._last_period = math.inf
        self._sent_at, self._is_open = now, True
        """Time of the last request; one was answered since the last wait for room."""
        self._suspects = ALL_SUSPECTS
        self._rejected: AdmittedAmounts = 0.0, 0.0
        """Amounts of the request that began the last closure."""
        self._empty_closures = 0
        """Consecutive closures with little content."""

    @property
    def _recovery(self) -> float:
        return min(MAX_RECOVERY_S, max(RECOVERY_S, REQUESTS_PER_CLOSURE * self.span / self.amounts[0]))

    def factor(self, now: float) -> float:
        """Share of ``amounts`` that is in force."""
        passed = (now - self._healthy_since) / self._recovery
        if passed < 1:
            return 1 - (1 - FIRST_SHARE) * (1 - max(0.0, passed)) ** 3
        return min(MAX_GROWTH_FACTOR, 1 + PROBING_SHARE * (passed - 1) ** 3)

    @property
    def is_estimate(self) -> bool:
        return True

    @property
    def average(self) -> AdmittedAmounts:
        return self.amounts[0] / self.span, self.amounts[1] / self.span

    def knows(self, known: AdmittedAmounts) -> None:
        self._known = known

    def is_out_of_sight(self, now: float) -> bool:
        return self.factor(now) >= MAX_GROWTH_FACTOR

    def earliest(self, now: float, amounts: AdmittedAmounts, aside: AdmittedAmounts, least: AdmittedAmounts) -> float:
        if self._windows[0].under_way and not self._is_open:
            return now + SCOUT_S
        when = now
        is_exploring = False
        factor = self.factor(now)
        for place, window in enumerate(self._windows):
            window.advance(now)
            content = window.used + amounts[place] + aside[place]
            holds = self.amounts[place]
            limit = max(min(holds * factor, self._known[place] * self.span), least[place] * self.span)
            if window.used > 0 and content > limit:
                when = max(when, window.next_expiry(now))
            is_exploring = is_exploring or content > holds
        if is_exploring and when <= now and self._windows[0].under_way >= self._explorers:
            return self._windows[0].next_expiry(now)
        self._is_exploring = is_exploring
        return when

    def sent(self, now: float, amounts: AdmittedAmounts, *, is_query: bool) -> None:
        self._is_open = self._is_open and now - self._sent_at < SCOUT_S
        self._sent_at = now
        super().sent(now, amounts, is_query=is_query)

    def left_over(self, now: float, amounts: AdmittedAmounts) -> AdmittedAmounts:
        return 0.0, 0.0  # the limit is an estimate, and a 429 costs more than an unused end of a window

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        super().refunded(sent_at, amounts)
        self._content = [content - amount for content, amount in zip(self._content, amounts, strict=True)]

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        if success:
            self._is_open = True
            self._explorers += self._is_exploring
        super().answered(now, sent_at, amounts, is_query=is_query, success=success)

    def is_stray(self, wait: float | None) -> bool:
        return False  # each 429 measures what the window holds

    def rejected(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects, wait: float | None
    ) -> bool:
        raise AssertionError("no 429 is a stray")

    def until_room(self, now: float) -> float:
        return super().until_room(now) if max(self._shares(now)) >= NEARLY_EMPTY_SHARE else 0.0

    def closed(self, now: float, episode: Episode, suspects: Suspects) -> None:
        self._explorers = 1
        self._suspects, self._rejected = suspects, episode.rejected
        self._expected = self.until_room(now)
        self._content = [window.used for window in self._windows]

    def opened(self, now: float, pause: Pause) -> bool:
        """Correct span and amounts."""
        closed_s = pause.closed
        period, self._opened_at = now - self._opened_at, now
        self._healthy_since = now
        shares = [content / amount for content, amount in zip(self._content, self.amounts, strict=True)]
        is_empty = max(shares) < NEARLY_EMPTY_SHARE
        self._empty_closures = self._empty_closures + 1 if is_empty else 0
        if self._empty_closures >= EMPTY_CLOSURES:
            return False
        if closed_s >= CLOSED_TIME_SHARE * period:
            span = min(period, max(self.span, self._last_period), MINUTE_S)  # an outage is longer, but only once
            self._last_period = period
            if span < MIN_WINDOW_S:  # the rate is that of the window as it seemed
                return False
            if span < self.span:  # it was full, and is open again
                self._shorten(span)
                return True
            self._resize(span)
        elif max(closed_s, MIN_CLOSURE_S) < EARLY_OPENING_SHARE * self._expected:
            return False
        if is_empty:  # closed for another reason
            return True
        for place, share in enumerate(shares):
            if self._suspects[place] and share >= SUSPECT_FILL_SHARE * max(shares):
                holds = self.amounts[place]
                self.amounts[place] = max(1.0, holds * share if share > 1 else holds * (1 + share) / 2)
        return True

    def _shares(self, now: float) -> list[float]:
        """Used shares of the two windows."""
        for window in self._windows:
            window.advance(now)
        return [window.used / amount for window, amount in zip(self._windows, self.amounts, strict=True)]

    def _shorten(self, span: float) -> None:
        """The content at the closure is all that the window holds, but a request like the rejected one fits."""
        self._resize(span)
        for place in (0, 1):
            known = self._known[place] * span
            is_known = known < math.inf and not self._suspects[place]
            self.amounts[place] = known if is_known else max(1.0, self._content[place], self._rejected[place])

    def _resize(self, span: float) -> None:
        for window in self._windows:
            window.resize(span)
        self.span = span
