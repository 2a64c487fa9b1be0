"""The rate of one resource in an even flow, and the credit that it has earned. Pure.

A success raises the rate slightly and a 429 lowers it more, so that it settles where a small share of requests gets a
429; a lower rate would waste quota. The rise accelerates while no 429 comes, to find a quota that has grown, but not
before windows like the last one have passed. What the server has admitted before is regained fast.
"""

from __future__ import annotations

import math

REJECTED_SHARE = 0.05
"""Equilibrium share of 429s. Windows of a second with network jitter reject several percent at full use anyway."""
CUT_SHARE = 0.04
"""Share of the rate that a 429 takes, while the share of 429s is about right."""
MAX_CUT_SHARE = 0.5
"""Largest cut. Above twice ``REJECTED_SHARE`` a cut equals the share of 429s, and leaves the rate that was admitted."""
PRIOR_ANSWERS, MEASURED_PRIOR_ANSWERS = 2, 10
"""Answers added to the denominator of a share, so that the first one or two decide little; after a measurement."""
GROWTH_SHARE = CUT_SHARE * REJECTED_SHARE / (1 - REJECTED_SHARE)
"""Share of the rate that a success adds: growth and cuts balance at ``REJECTED_SHARE``."""
RUN_SUCCESSES = 1.5 / REJECTED_SHARE
"""Consecutive successes after which growth accelerates, with their square; most runs are shorter: 20 on average."""
MAX_GROWTH_SHARE, DOUBLING_S = 0.05, 5.0
"""Caps on growth per success and per second, because the 429s that would stop it arrive a round trip later."""
CALM_PERIODS, MAX_PERIOD_S = 1.5, 20.0
"""Growth by ``CUT_SHARE`` in a period, the time between two closures, accelerates after so many of them: the rate of a
window shows when it closes, once in a span."""
MIN_RATE_PER_S = 1 / 60
"""Units a second: one a minute, the slowest quota that vendors document."""


class EvenRate:
    """``per_s``: units a second, at most those ``known``, which are stated or reported."""

    __slots__ = (
        "_accepted",
        "_cut_at",
        "_full_until",
        "_goal",
        "_level",
        "_needed",
        "_period_s",
        "_prior",
        "_rejected",
        "_successes",
        "known",
        "per_s",
        "unused_s",
    )

    def __init__(self, now: float, per_s: float, known: float) -> None:
        self.known = known
        self.set(per_s)
        self._level = 0.0
        self._needed = 1.0
        """The largest amount requested so far: credit accumulates up to it, so that no request leaves a debt."""
        self.unused_s = 0.0
        """Seconds of credit that nobody used, since the last closure."""
        self._goal = 0.0
        """Rate up to which growth is fast: the server has admitted it, or a measurement leaves it open."""
        self._period_s = 0.0
        """Seconds between the last two closures; 0 if they measured nothing."""
        self._cut_at = self._full_until = now
        """Time of the last cut, and time until which its 429 has shown the server to be full."""
        self._successes = 0
        """Successes since the last 429."""
        self._accepted = self._rejected = 0
        """Answers since the last cut."""
        self._prior = PRIOR_ANSWERS

    def set(self, per_s: float) -> None:
        self.per_s = max(MIN_RATE_PER_S, min(self.known, per_s))

    def wait(self, passed: float, needed: float, least: float) -> float:
        """Seconds until the credit, earned for ``passed`` seconds more, covers ``needed``."""
        rate = max(self.per_s, least)
        if rate == math.inf:
            return 0.0
        self._needed = max(self._needed, needed)
        level = self._level + passed * rate
        if level > self._needed:
            self.unused_s += (level - self._needed) / rate
            level = self._needed
        self._level = level
        return (needed - level) / rate if level < needed else 0.0

    def take(self, amount: float) -> None:
        self._level -= amount

    def opened(self) -> None:
        """Start again without credit, and without a debt for the probes."""
        self._level = 0.0

    def succeeded(self, now: float, passed: float, *, has_waited: bool) -> None:
        """Note a success, ``passed`` seconds after the last one. ``has_waited``: this rate delayed the last request."""
        self._accepted += 1
        self._successes += 1
        if has_waited:
            self.set(self.per_s * (1 + self._growth(now, passed)))

    def _growth(self, now: float, passed: float) -> float:
        most = min(MAX_GROWTH_SHARE, passed / DOUBLING_S)
        if self.per_s < self._goal:
            return most
        growth = GROWTH_SHARE * max(1.0, (self._successes / RUN_SUCCESSES) ** 2)
        if self._period_s:
            periods = (now - self._cut_at) / (CALM_PERIODS * self._period_s)
            growth = min(growth, CUT_SHARE * passed / self._period_s * max(1.0, periods**2))
        return min(most, growth)

    def rejected(self, now: float, sent_at: float, amount: float, wait: float) -> None:
        """Note a 429 with a Retry-After of ``wait`` seconds. It is news unless the server was known to be full."""
        self._successes = 0
        self._rejected += 1
        if sent_at > self._full_until:
            self._cut(now, wait)
        sure = max(0.0, wait - 1) if wait == int(wait) else wait  # whole seconds are rounded up
        self._level = min(self._level, amount - sure * self.per_s)

    def _cut(self, now: float, wait: float) -> None:
        share = self._rejected / (self._rejected + self._accepted + self._prior)
        self._cut_at, self._full_until = now, now + wait
        self._accepted = self._rejected = 0
        self._goal, self._prior = 0.0, PRIOR_ANSWERS
        cut = CUT_SHARE if share <= 2 * REJECTED_SHARE else min(MAX_CUT_SHARE, share)
        self.set(self.per_s * (1 - cut))

    def closed(self, now: float, per_s: float, goal: float, period: float) -> None:
        """Go on at ``per_s`` after a closure, and soon at ``goal``. ``period``: seconds since the one before, or 0."""
        self.set(per_s)
        self._goal, self._period_s = goal, min(MAX_PERIOD_S, period)
        self._prior = MEASURED_PRIOR_ANSWERS if period else PRIOR_ANSWERS
        self._successes = 0
        self._cut_at = self._full_until = now
