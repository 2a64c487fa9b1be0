"""An even flow: a token bucket that holds one request, at a rate that 429s steer. Pure.

Every server admits an even flow at its rate, whether it has a bucket or windows, and of any size. The flow seeks the
rate at which a small share of requests gets a 429; a lower one would waste quota. A success raises the rate slightly, a
429 lowers it more, and the rise accelerates while no 429 comes, to find a quota that has grown.

Requests and tokens have a rate each. A 429 concerns the one that its request needs most, in seconds of that rate: that
of a large document must not slow queries down.
"""

from __future__ import annotations

import math

from aembed._gate.episode import AdmittedAmounts, Episode, Pause
from aembed._gate.flow import ALL_SUSPECTS, Suspects
from aembed._gate.window import Window

REJECTED_SHARE = 0.05
"""Equilibrium share of 429s. Windows of a second with network jitter reject several percent at full use anyway."""
CUT_SHARE = 0.04
"""Share of the rate that a 429 takes, while the share of 429s is about right."""
MAX_CUT_SHARE = 0.5
"""Largest cut. Above twice ``REJECTED_SHARE`` a cut equals the share of 429s, and leaves the rate that was admitted."""
PRIOR_ANSWERS = 2
"""Answers added to the denominator of a share, so that the first one or two decide little."""
GROWTH_SHARE = CUT_SHARE * REJECTED_SHARE / (1 - REJECTED_SHARE)
"""Share of the rate that a success adds: growth and cuts balance at ``REJECTED_SHARE``."""
RUN_SUCCESSES = 1.5 / REJECTED_SHARE
"""Consecutive successes after which growth accelerates, with their square; most runs are shorter: 20 on average."""
MAX_GROWTH_SHARE, DOUBLING_S = 0.05, 5.0
"""Caps on growth per success and per second, because the 429s that would stop it arrive a round trip later."""
CALM_FACTOR, MAX_CALM_S = 1.5, 30.0
"""Times the last time between two closures, and seconds, before growth accelerates: a window closes once in a span."""
CLOSED_RATE_SHARE = 0.7
"""Share of the rate kept when the server closes and no rate was measured (CUBIC's factor, RFC 9438)."""
MIN_MEASURED_SHARE = 0.3
"""Smallest share of the rate left by a measurement."""
MEASURED_REQUESTS, MEASURED_S = 2, 0.5
"""Fewest requests and shortest time that measure a rate."""
MAX_IDLE_SHARE = 0.3
"""Largest share of that time in which the flow may have been idle."""
CLOSED_REJECTIONS = 3
"""Consecutive 429s that mean a closed server. Fewer come from jitter between requests."""
MAX_STRAY_WAIT_S = 2.0
"""Longest Retry-After that concerns one request only; a longer one pauses the account."""
MIN_RATE_PER_S = 1 / 60
"""Units a second: one a minute, the slowest quota that vendors document."""
SUSPECT_WAIT_SHARE = 0.95
"""Share of the longer time from which on a request needs the other resource as much."""
MAX_GROWTH_FACTOR = 30.0
"""Growth since the last 429 after which the flow is dropped, as it is far from any limit of this server."""


class EvenFlow:
    """``rates`` are units a second, of requests and tokens; ``known`` those that are stated or reported."""

    def __init__(self, now: float, rates: AdmittedAmounts, known: AdmittedAmounts) -> None:
        self.rates = [0.0, 0.0]
        self.known = known
        self._levels = [0.0, 0.0]
        self._needed = [1.0, 1.0]
        """The largest amounts requested so far: credit accumulates up to them, so that no request leaves a debt."""
        self._waits = [False, False]
        """Resources that delay the next request."""
        self._waited = [False, False]
        """Resources that delayed the last request."""
        self._unused_s = [0.0, 0.0]
        self._now = self._raised_at = now
        self._cut_at, self._calm_s = [now, now], [0.0, 0.0]
        """Time of the last cut, and seconds after it in which the rise does not accelerate."""
        self._closed_at = now
        self._row = 0
        """429s since the last success."""
        self._successes, self._healthy = [0, 0], [0, 0]
        """Successes of each resource since its last 429, and those before this row of 429s."""
        self._accepted, self._rejected = [0, 0], [0, 0]
        """Answers since the rate was lowered."""
        for place in (0, 1):
            self._set(place, rates[place])
        self._before = self._at_last_429 = tuple(self.rates)

    @property
    def span(self) -> float | None:
        return None

    @property
    def is_estimate(self) -> bool:
        return True

    @property
    def average(self) -> AdmittedAmounts:
        return self.rates[0], self.rates[1]

    def knows(self, known: AdmittedAmounts) -> None:
        self.known = known

    def is_out_of_sight(self, now: float) -> bool:
        since_429 = zip(self.rates, self._at_last_429, strict=True)
        return all(rate >= MAX_GROWTH_FACTOR * before for rate, before in since_429)

    def earliest(self, now: float, amounts: AdmittedAmounts, aside: AdmittedAmounts, least: AdmittedAmounts) -> float:
        passed, self._now = max(0.0, now - self._now), now
        waits = [0.0, 0.0]
        for place in (0, 1):
            rate = max(self.rates[place], least[place])
            if rate == math.inf:
                continue
            needed = amounts[place] + aside[place]
            most = self._needed[place] = max(self._needed[place], needed)
            level = self._levels[place] + passed * rate
            if level > most:
                self._unused_s[place] += (level - most) / rate
                level = most
            self._levels[place] = level
            if level < needed:
                waits[place] = (needed - level) / rate
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
        self._levels[0] -= amounts[0]
        self._levels[1] -= amounts[1]

    def corrected(self, sent_at: float, tokens: float) -> None:
        self._levels[1] -= tokens

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        """Nothing changes: the flow has waited for the request all the same."""

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        if not success:
            return
        self._row = 0
        passed, self._raised_at = now - self._raised_at, now
        self._successes = [count + 1 for count in self._successes]
        for place in (0, 1):
            self._accepted[place] += 1
            if self._waited[place]:
                is_calm = now - self._cut_at[place] > self._calm_s[place]
                streak = (self._successes[place] / RUN_SUCCESSES) ** 2 if is_calm else 1.0
                growth = min(MAX_GROWTH_SHARE, passed / DOUBLING_S, GROWTH_SHARE * max(1.0, streak))
                self._set(place, self.rates[place] * (1 + growth))

    def measured(self, amounts: AdmittedAmounts, seconds: float, rejected: AdmittedAmounts) -> None:
        """Lower hidden rates to ``amounts`` per ``seconds``, which left no room for ``rejected``."""
        for place in self._needs_most(rejected):
            if self.known[place] == math.inf:
                held = max(amounts[place], rejected[place])  # or a single such request would take for ever
                self._set(place, min(self.rates[place], held / seconds))

    def is_stray(self, wait: float | None) -> bool:
        return self._row + 1 < CLOSED_REJECTIONS and (wait is None or wait <= MAX_STRAY_WAIT_S)

    def rejected(self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects) -> bool:
        """Lower the rate, once for all requests that were in flight together."""
        if not self._row:
            self._before = tuple(self.rates)
            self._healthy = list(self._successes)
        self._row += 1
        for place in self._needs_most(amounts, suspects):
            self._successes[place] = 0
            self._rejected[place] += 1
            if sent_at > self._cut_at[place]:  # else it was in flight at the last cut: nothing new
                accepted, rejected = self._accepted[place], self._rejected[place]
                share = rejected / (rejected + accepted + PRIOR_ANSWERS)
                cut = CUT_SHARE if share <= 2 * REJECTED_SHARE else min(MAX_CUT_SHARE, share)
                self._cut_at[place], self._accepted[place], self._rejected[place] = now, 0, 0
                self._set(place, self.rates[place] * (1 - cut))
        self._at_last_429 = tuple(self.rates)
        return True

    def closed(self, now: float, episode: Episode, suspects: Suspects) -> None:
        """Lower the rate after consecutive 429s or a long Retry-After, unless an outage is the likelier cause."""
        rates, healthy = (self._before, self._healthy) if self._row else (self.rates, self._successes)
        places = self._needs_most(episode.rejected, suspects)
        share = CLOSED_RATE_SHARE if max(healthy[place] for place in places) < RUN_SUCCESSES else 1.0
        seconds, calm_s = episode.seconds, 0.0
        if (
            episode.from_full
            and episode.admitted[0] >= MEASURED_REQUESTS
            and seconds >= MEASURED_S
            and min(self._unused_s) + episode.paused <= MAX_IDLE_SHARE * seconds
        ):
            calm_s = min(MAX_CALM_S, CALM_FACTOR * (now - self._closed_at))
            measured = max(episode.admitted[place] / seconds / rates[place] for place in places)
            share = min(share if measured > 1 - CUT_SHARE else 1 - CUT_SHARE, max(MIN_MEASURED_SHARE, measured))
        for place in places:
            self._set(place, rates[place] * share)
            self._successes[place] = 0
            self._calm_s[place] = calm_s
            self._cut_at[place] = now
        self._closed_at = now
        self._row = 0
        self._at_last_429 = tuple(self.rates)
        self._unused_s = [0.0, 0.0]

    def opened(self, now: float, pause: Pause) -> bool:
        """Start again without credit, and without a debt for the probes."""
        self._levels = [0.0, 0.0]
        return True

    def _needs_most(self, amounts: AdmittedAmounts, suspects: Suspects = ALL_SUSPECTS) -> list[int]:
        """Places of the suspects that a request with these amounts needs for the longest time."""
        times = [amounts[place] / self.rates[place] if suspects[place] else -1.0 for place in (0, 1)]
        return [place for place in (0, 1) if times[place] >= SUSPECT_WAIT_SHARE * max(times)]

    def _set(self, place: int, rate: float) -> None:
        self.rates[place] = max(MIN_RATE_PER_S, min(self.known[place], rate))
