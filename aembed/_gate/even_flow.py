"""An even flow: a bucket that holds one request. Every rule admits one, whatever its size and length. Pure.

Its rate is held where a small share of the requests gets a 429: below that, quota would be left unused. So a success
raises the rate a little, a 429 lowers it much more, and after a time without any it rises ever faster, to find a quota
that has grown. Of requests and tokens only the one that has kept requests waiting is changed: it may be the short one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aembed._gate.episode import Amounts, Episode

SHARE = 0.05
"""Of requests that get a 429, where the rate stays the same."""
CUT = 0.04
"""Of the rate, for a 429 after as many successes as are usual."""
MAX_CUT = 0.5
"""Where more are rejected than twice ``SHARE`` the rate is lowered by as much: what is left is what went through."""
DOUBTS = 2
"""Requests by which a share is diluted: the first answers say little."""
GROWTH = CUT * SHARE / (1 - SHARE)
"""Of the rate, for each success, so that both are even at ``SHARE``."""
SOON = 1.5 / SHARE
"""Successes in a row within which a 429 is to be expected; the growth rises with the square of more."""
MAX_GROWTH, DOUBLING_S = 0.05, 5.0
"""Of the rate, for a success; and the rate does not double in less: 429s take a round trip to tell of too much."""
LEFT = 0.7
"""What a server that closes leaves of the rate, if nothing has been measured."""
LEFT_AS_MEASURED = 0.3
MEASURED_REQUESTS, MEASURED_S = 2, 0.5
"""A rate is measured by so many requests in so many seconds; less is chance."""
MAX_UNUSED = 0.3
"""Share of these seconds, at most, in which nothing was sent that could have been."""
IN_A_ROW = 3
"""429s without a success between them: the server is closed. Fewer are requests that have come too near to others."""
MAX_STRAY_WAIT_S = 2.0
"""A longer Retry-After is no matter of a single request."""
MIN_RATE = 1 / 60
SUSPECT = 0.95
"""Of the longest wait: a resource that keeps requests waiting for so long may be the one that is short."""
GIVEN_UP = 30.0
"""A rate that has grown so many times without a 429 limits nothing any more."""


class EvenFlow:
    """``rates`` are units a second, of requests and tokens; ``known`` those that are stated or reported."""

    def __init__(self, now: float, rates: Amounts, known: Amounts) -> None:
        self.rates = [0.0, 0.0]
        self.known = known
        self._levels = [0.0, 0.0]
        self._needed = [1.0, 1.0]
        """The largest amounts that were asked for: a flow saves up for them, so that queries find no debt."""
        self._waits = [False, False]
        """It keeps the next request waiting, longer than the other does."""
        self._waited = [False, False]
        """It has kept the last one waiting."""
        self._unused_s = [0.0, 0.0]
        self._now = self._raised_at = self._cut_at = now
        self._row = self._successes = self._healthy = 0
        """429s since the last success, successes since the last 429, and those before this row of 429s."""
        self._accepted = self._rejected = 0
        """Answers since the rate was lowered."""
        self._change([True, True], rates)
        self._before = self._at_last_429 = tuple(self.rates)

    @property
    def is_out_of_sight(self) -> bool:
        return all(rate >= GIVEN_UP * before for rate, before in zip(self.rates, self._at_last_429, strict=True))

    def earliest(self, now: float, amounts: Amounts, aside: Amounts, least: Amounts) -> float:
        """When ``amounts`` may be sent and leave ``aside``. ``least``: no rate below it is in force."""
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
            self._waits = [wait >= SUSPECT * longest for wait in waits]
        return now + longest

    def sent(self, requests: float, tokens: float) -> None:
        self._waited, self._waits = self._waits, [False, False]
        self._levels[0] -= requests
        self._levels[1] -= tokens

    def corrected(self, tokens: float) -> None:
        self._levels[1] -= tokens

    def succeeded(self, now: float) -> None:
        self._row = 0
        self._successes += 1
        self._accepted += 1
        passed, self._raised_at = now - self._raised_at, now
        growth = min(MAX_GROWTH, passed / DOUBLING_S, GROWTH * max(1.0, (self._successes / SOON) ** 2))
        self._change(self._waited, [rate * (1 + growth) for rate in self.rates])

    def measured(self, amounts: Amounts, seconds: float) -> None:
        """So much was admitted in so many seconds, the server full at their end and not before."""
        hidden = [rate == math.inf for rate in self.known]
        self._change(hidden, [min(rate, amount / seconds) for rate, amount in zip(self.rates, amounts, strict=True)])

    def is_stray(self, wait: float | None) -> bool:
        """Whether a 429 that names ``wait`` says only that a request came a little too soon."""
        return self._row + 1 < IN_A_ROW and (wait is None or wait <= MAX_STRAY_WAIT_S)

    def rejected(self, now: float, sent_at: float) -> None:
        """A stray 429. Of those that were in flight together the first lowers the rate for all."""
        if not self._row:
            self._before = tuple(self.rates)
            self._healthy = self._successes
        self._row += 1
        self._successes = 0
        self._rejected += 1
        if sent_at <= self._cut_at:
            return
        share = self._rejected / (self._rejected + self._accepted + DOUBTS)
        cut = CUT if share <= 2 * SHARE else min(MAX_CUT, share)
        self._cut_at, self._accepted, self._rejected = now, 0, 0
        places = self._waited if any(self._waited) else [True, True]
        self._change(places, [rate * (1 - cut) for rate in self.rates])
        self._at_last_429 = tuple(self.rates)

    def closed(self, episode: Episode) -> None:
        """The server takes nothing more for a time: the rate is too high, or something else is wrong."""
        rates = self._before if self._row else self.rates
        healthy = self._healthy if self._row else self._successes
        share = LEFT if healthy < SOON else 1.0
        seconds = episode.seconds
        if (
            episode.from_full
            and episode.admitted[0] >= MEASURED_REQUESTS
            and seconds >= MEASURED_S
            and min(self._unused_s) + episode.paused <= MAX_UNUSED * seconds
        ):
            measured = max(amount / seconds / rate for amount, rate in zip(episode.admitted, rates, strict=True))
            share = min(share if measured > 1 - CUT else 1 - CUT, max(LEFT_AS_MEASURED, measured))
        self._change([True, True], [rate * share for rate in rates])
        self._row = self._successes = 0
        self._at_last_429 = tuple(self.rates)
        self._unused_s = [0.0, 0.0]

    def opened(self) -> None:
        """The server takes requests again. What probes have used need not be waited for."""
        self._levels = [0.0, 0.0]

    def _change(self, places: Sequence[bool], rates: Sequence[float]) -> None:
        for place in (0, 1):
            if places[place]:
                self.rates[place] = max(MIN_RATE, min(self.known[place], rates[place]))
