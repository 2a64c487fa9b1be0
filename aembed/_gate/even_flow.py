"""An even flow: a token bucket that holds one request, at a rate that 429s steer. Pure.

Every server admits an even flow at its rate, whether it has a bucket or windows, and of any size. The flow seeks the
rate at which a small share of requests gets a 429.

Requests and tokens have a rate each. A 429 concerns the one that its request needs most, in seconds of that rate: that
of a large document must not slow queries down.
"""

from __future__ import annotations

import math

from aembed._gate.episode import ALL_SUSPECTS, AdmittedAmounts, Episode, Pause, Suspects
from aembed._gate.even_rate import CUT_SHARE, EvenRate
from aembed._gate.window import Window

CLOSED_RATE_SHARE = 0.7
"""Share of the rate kept when the server closes and no rate was measured (CUBIC's factor, RFC 9438)."""
SUSTAINED_SUCCESSES = 30
"""Successes between two closures that show that the server admits the rate: then an outage is the likelier cause."""
MIN_MEASURED_SHARE = 0.3
"""Smallest share of the rate left by the measurement of a single time between closures."""
MEASURED_REQUESTS, MEASURED_S = 2, 0.5
"""Fewest requests and shortest time that measure a rate."""
MAX_IDLE_SHARE = 0.3
"""Largest share of that time in which the flow may have been idle."""
LIKE_PAUSES_RATIO = 2.0
"""Ratio of two pauses up to which they are alike."""
CLOSED_REJECTIONS = 3
"""Consecutive 429s that mean a closed server. Fewer come from jitter between requests."""
MAX_STRAY_WAIT_S = 2.0
"""Longest Retry-After that concerns one request only; a longer one pauses the account."""
SUSPECT_WAIT_SHARE = 0.95
"""Share of the longer time from which on a request needs the other resource as much."""
MAX_GROWTH_FACTOR = 30.0
"""Growth since the last 429 after which the flow is dropped, as it is far from any limit of this server."""
PLACES = (0, 1)
"""Positions of requests and tokens in a pair of amounts."""


class EvenFlow:
    """``rates`` are units a second, of requests and tokens; ``known`` those that are stated or reported."""

    def __init__(self, now: float, rates: AdmittedAmounts, known: AdmittedAmounts) -> None:
        self._rates = EvenRate(now, rates[0], known[0]), EvenRate(now, rates[1], known[1])
        self._waits = [False, False]
        """Resources that delay the next request."""
        self._waited = [False, False]
        """Resources that delayed the last request."""
        self._now = self._raised_at = now
        self._closed_at = now
        self._since_closure = 0
        """Successes since the last closure."""
        self._last_closure: Episode | None = None
        self._row = 0
        """429s since the last success."""
        self._row_began = now
        """Time at which the first of them was sent."""
        self._before = self._at_last_429 = self.average

    @property
    def span(self) -> float | None:
        return None

    @property
    def is_estimate(self) -> bool:
        return True

    @property
    def average(self) -> AdmittedAmounts:
        return self._rates[0].per_s, self._rates[1].per_s

    def knows(self, known: AdmittedAmounts) -> None:
        for rate, of_rate in zip(self._rates, known, strict=True):
            rate.known = of_rate

    def is_out_of_sight(self, now: float) -> bool:
        since_429 = zip(self.average, self._at_last_429, strict=True)
        return all(rate >= MAX_GROWTH_FACTOR * before for rate, before in since_429)

    def earliest(self, now: float, amounts: AdmittedAmounts, aside: AdmittedAmounts, least: AdmittedAmounts) -> float:
        passed, self._now = max(0.0, now - self._now), now
        waits = [self._rates[place].wait(passed, amounts[place] + aside[place], least[place]) for place in PLACES]
        longest = max(waits)
        if longest > 0:
            self._waits = [wait >= SUSPECT_WAIT_SHARE * longest for wait in waits]
        return now + longest

    def left_over(self, now: float, amounts: AdmittedAmounts) -> AdmittedAmounts:
        return 0.0, 0.0  # in an even flow each request delays the next

    def until_room(self, now: float) -> float:
        return 0.0

    def window(self, place: int) -> Window | None:
        return None

    def sent(self, now: float, amounts: AdmittedAmounts, *, is_query: bool) -> None:
        self._waited, self._waits = self._waits, [False, False]
        for rate, amount in zip(self._rates, amounts, strict=True):
            rate.take(amount)

    def corrected(self, sent_at: float, tokens: float) -> None:
        self._rates[1].take(tokens)

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        """Nothing changes: the flow has waited for the request all the same."""

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        if not success:
            return
        self._row = 0
        self._since_closure += 1
        passed, self._raised_at = now - self._raised_at, now
        for place in PLACES:
            self._rates[place].succeeded(now, passed, has_waited=self._waited[place])

    def measured(self, amounts: AdmittedAmounts, seconds: float, rejected: AdmittedAmounts) -> None:
        """Lower hidden rates to ``amounts`` per ``seconds``, which left no room for ``rejected``."""
        for place in self._needs_most(rejected):
            rate = self._rates[place]
            if rate.known == math.inf:
                held = max(amounts[place], rejected[place])  # or a single such request would take for ever
                rate.set(min(rate.per_s, held / seconds))

    def is_stray(self, wait: float | None) -> bool:
        return self._row + 1 < CLOSED_REJECTIONS and (wait is None or wait <= MAX_STRAY_WAIT_S)

    def rejected(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects, wait: float | None
    ) -> bool:
        if not self._row:
            self._before, self._row_began = self.average, sent_at
        self._row += 1
        passed, self._now = max(0.0, now - self._now), now
        for rate in self._rates:
            rate.wait(passed, 0.0, 0.0)
        for place in self._needs_most(amounts, suspects):
            self._rates[place].rejected(now, sent_at, amounts[place], wait or 0.0)
        self._at_last_429 = self.average
        return True

    def closed(self, now: float, episode: Episode, suspects: Suspects) -> None:
        """Lower the rate after consecutive 429s or a long Retry-After, unless an outage is the likelier cause."""
        rates = self._before if self._row else self.average
        places = self._needs_most(episode.rejected, suspects)
        admitted = {place: rate for place in places if (rate := self._admitted(place, episode)) is not None}
        is_sustained = self._since_closure >= SUSTAINED_SUCCESSES
        share = max((rate / rates[place] for place, rate in admitted.items()), default=1.0)
        if share > 1 - CUT_SHARE:
            share = 1.0 if is_sustained else CLOSED_RATE_SHARE
        for place in places:
            rate = rates[place] * share
            goal = period = 0.0
            if place in admitted:  # another such request may have fitted in
                goal, period = rate + episode.rejected[place] / episode.seconds, now - self._closed_at
            self._rates[place].closed(now, rate, goal, period)
        for each in self._rates:
            each.unused_s = 0.0
        self._last_closure = episode
        self._closed_at = now
        self._since_closure = self._row = 0
        self._at_last_429 = self.average

    def _admitted(self, place: int, lap: Episode) -> float | None:
        """Units a second that the server admits; ``None`` if the time since the last closure does not show it."""
        amount, before = lap.admitted[place], self._last_closure
        seconds = lap.seconds - (lap.began_at - self._row_began if self._row else 0.0)
        idle_s = self._rates[place].unused_s
        if not lap.from_full or not lap.admitted[0] or seconds < MEASURED_S:
            return None
        if lap.admitted[0] >= MEASURED_REQUESTS and idle_s + lap.paused <= MAX_IDLE_SHARE * seconds:
            return max(amount / seconds, MIN_MEASURED_SHARE * self._rates[place].per_s)
        # Most of the time is a pause: those of the server's quota come again, and that of an outage does not.
        if before is None or not before.from_full or idle_s > lap.paused + MAX_IDLE_SHARE * seconds:
            return None
        shorter, longer = sorted((before.paused, lap.paused))
        if longer > LIKE_PAUSES_RATIO * shorter:
            return None
        return (amount + before.admitted[place]) / (seconds + before.seconds)

    def opened(self, now: float, pause: Pause) -> bool:
        for rate in self._rates:
            rate.opened()
        return True

    def _needs_most(self, amounts: AdmittedAmounts, suspects: Suspects = ALL_SUSPECTS) -> list[int]:
        """Places of the suspects that a request with these amounts needs for the longest time."""
        times = [amounts[place] / self._rates[place].per_s if suspects[place] else -1.0 for place in PLACES]
        return [place for place in PLACES if times[place] >= SUSPECT_WAIT_SHARE * max(times)]
