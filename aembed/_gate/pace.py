"""The speed that a server has shown to accept, once it has answered 429 for no reason that limits explain. Pure.

Requests and tokens have one pace together, since a 429 rarely says which of them is short. Between the beginnings of
two episodes of 429s a server goes from full to full, whatever its rule, so what it admitted in between over the time
that took is its rate. Each episode lowers the pace once; then it recovers as a function of time, along the curve of
CUBIC (RFC 9438): fast back to where it was, flat around it, and ever faster beyond, so that a quota that was raised is
found.

    smooth     an even flow, which every rule admits: buckets of any size, and windows of any length
    windowed   so much within a span, as fast as possible, then none: what a long window admits soonest

A stated or reported limit is not replaced by this: it stays in force as well, and after a minute of health the pace is
back at it.
"""

from __future__ import annotations

import math

from aembed._gate.episode import Amounts, Episode, Pause
from aembed._gate.window import MARGIN_S, MINUTE_S, Cell, Window

RECOVERY_S = 10.0
"""Seconds until the pace is back where the last episode began: six episodes a minute at most."""
MAX_RECOVERY_S = 90.0
MAX_RECOVERY_IF_KNOWN_S = 30.0
"""Where a limit is stated or reported there is nothing to find beyond it, and no reason to be slow."""
REQUESTS_PER_EPISODE = 100.0
"""A slower server gets as much more time to recover, so that probing costs about one 429 in a hundred requests."""
PROBING = 0.3
"""The pace is 1 + this at twice the recovery time, 1 + 8 x this at three times: a doubled quota is found in 2.5."""
BACK_AFTER_S = 60.0
"""After so many seconds of health the pace is back at any limit that is stated or reported."""
LEFT = 0.7
"""What one episode leaves of a pace at least, while little has been measured: CUBIC's factor."""
CONVERGENCE = (1 + LEFT) / 2
"""Share of the pace at which an episode began to come back to, while little has been measured: CUBIC's, too."""
LEFT_AS_MEASURED = 0.3
MEASURED = 0.98
"""Of a measured rate, to begin with: a little less than what filled the server up."""
MIN_REQUESTS = 3.0
"""Requests in the minute before the first 429, the one that got it included; fewer say nothing of a limit."""
MIN_WINDOW_REQUESTS = 6.0
"""After fewer a pause may be an outage as well as a window that they have filled; after the next it is a window."""
MEASURED_REQUESTS, MEASURED_S = 2, 0.5
"""A rate is measured by so many requests in so many seconds; less is chance."""
MAX_PAUSED = 0.3
"""Share of those seconds, at most, in which nobody was sent: a short window or small bucket was not used meanwhile."""
RARE = 0.02
"""Episodes per request that are taken for requests that overtake each other, not for too high a pace."""
LEFT_IF_RARE = 0.99
WINDOW_PAUSE_S, WINDOW_PAUSE_SHARE = 2.0, 0.25
"""A pause of so many seconds and of this share of the minute before means a window: a bucket refills sooner."""
LONGER, SHORTER = 1.1, 0.4
"""A window that was closed for so many times its span is a longer one; and one that is open again in this share of the
time until its oldest entries expire is none."""
MIN_SPAN_S = 0.02
SUSPECT = 0.95
"""A resource whose share of its pace is this near to the highest may be the one that is short."""
GIVEN_UP = 30.0
"""A pace that has grown so many times without an episode limits nothing any more."""
MAX_WAIT_S = 60.0
"""A pace, an estimate, keeps nobody waiting for longer: every server counts by the minute."""
UNKNOWN = math.inf, math.inf


class Pace:
    """In force from the first episode until it has grown out of sight."""

    def __init__(self) -> None:
        self.rates: Amounts | None = None
        """Units a second at which the last episode began; ``None`` while nothing limits."""
        self.known: Amounts = UNKNOWN
        """Units a second that are stated or reported."""
        self.is_bucket = False
        """Headers have shown that the server has no windows."""
        self.span = MINUTE_S
        self._start = 1.0
        """Share of ``rates`` right after the episode."""
        self._healthy_since = 0.0
        self._recovery = RECOVERY_S
        self._density = 0.0
        """Episodes per request, lately."""
        self._first_burst: tuple[Amounts, float] = (0.0, 0.0), 0.0
        """What was sent before the first episode, and in how many seconds."""
        self._flow: _Smooth | _Windowed | None = None
        self._had_few = False
        """The last pause came after few requests."""
        self._last_sent = -math.inf

    @property
    def windowed(self) -> bool:
        return isinstance(self._flow, _Windowed)

    def factor(self, now: float) -> float:
        """Share of ``rates`` that is in force."""
        passed = (now - self._healthy_since) / self._recovery
        if passed < 1:
            return 1 - (1 - self._start) * (1 - max(0.0, passed)) ** 3
        return min(GIVEN_UP, 1 + PROBING * (passed - 1) ** 3)

    def limits(self, now: float) -> Amounts:
        """Units a second in force."""
        if self.rates is None:
            return UNKNOWN
        factor = self.factor(now)
        healthy = max(0.0, now - self._healthy_since)
        if factor >= GIVEN_UP or (healthy >= BACK_AFTER_S and self.known != UNKNOWN):
            self.rates = self._flow = None
            return UNKNOWN
        back = (healthy / BACK_AFTER_S) ** 3
        known_requests, known_tokens = self.known
        requests, tokens = self.rates[0] * factor, self.rates[1] * factor
        if known_requests < math.inf:
            requests = max(requests, known_requests * back)
        if known_tokens < math.inf:
            tokens = max(tokens, known_tokens * back)
        return requests, tokens

    def earliest(self, now: float, requests: float, tokens: float, aside: Amounts) -> float:
        """When such a request may be sent and leave ``aside``: ``now``, or a time worth asking again."""
        limits = self.limits(now)
        if self._flow is None:
            return now
        assert self.rates is not None
        when = self._flow.earliest(now, (requests, tokens), aside, limits, self.rates)
        return when if when <= now else min(when, max(now, self._last_sent + MAX_WAIT_S))

    def until_room(self, now: float) -> float:
        """Seconds until a window has room again, if it is full as of now and no header says so."""
        return self._flow.until_room(now) if isinstance(self._flow, _Windowed) else 0.0

    def sent(self, now: float, requests: float, tokens: float) -> None:
        self._last_sent = now
        self._density *= 1 - 1 / REQUESTS_PER_EPISODE
        if self._flow is not None:
            self._flow.sent(now, requests, tokens)

    def corrected(self, tokens: float) -> None:
        """A request in flight has so many more tokens."""
        if self._flow is not None:
            self._flow.corrected(tokens)

    def refunded(self, requests: float, tokens: float) -> None:
        """A request did not count."""
        if self._flow is not None:
            self._flow.refunded(requests, tokens)

    def answered(self, now: float, sent_at: float, requests: float, tokens: float, *, success: bool) -> None:
        if self._flow is not None:
            self._flow.answered(now, sent_at, requests, tokens, success=success)

    def slow_down(self, now: float, episode: Episode) -> None:
        """An episode begins."""
        self._density += 1 / REQUESTS_PER_EPISODE
        if self.rates is None and episode.minute[0] < MIN_REQUESTS:
            return
        rates = self._first_rates(episode) if self.rates is None else self._next_rates(episode)
        self._set(rates)
        self._healthy_since = math.inf
        if isinstance(self._flow, _Windowed):
            self._flow.reject(now)
        else:
            self.span = MIN_SPAN_S
            self._flow = _Smooth(now, self.span)

    def recover(self, now: float, episode: Episode, pause: Pause, windows: tuple[Window, Window]) -> None:
        """An episode has ended. ``windows`` hold what was sent in the last minute."""
        self._healthy_since = now
        if self.rates is None:
            return
        if isinstance(self._flow, _Windowed):
            if pause.closed > LONGER * self.span:
                self._use_window(now, pause.seconds, pause, windows)
            elif max(pause.closed, WINDOW_PAUSE_S) < SHORTER * self._flow.expected:
                self._flow = _Smooth(now, MIN_SPAN_S)
        elif (
            not self.is_bucket and pause.closed >= WINDOW_PAUSE_S and pause.closed >= WINDOW_PAUSE_SHARE * episode.burst
        ):
            self._use_window(now, pause.seconds + episode.burst, pause, windows)

    def _use_window(self, now: float, span: float, pause: Pause, windows: tuple[Window, Window]) -> None:
        is_few = pause.minute[0] < MIN_WINDOW_REQUESTS
        if is_few and not self._had_few:
            self.rates = self._flow = None
            self._had_few = True
            return
        self._had_few = is_few
        self.span = min(MINUTE_S, span)
        requests, tokens = (
            min(known, amount / self.span if amount > 0 else math.inf)
            for known, amount in zip(self.known, pause.minute, strict=True)
        )
        self._set((requests, tokens))
        self._start = MEASURED
        self._flow = _Windowed(now, self.span, windows)

    def _set(self, rates: Amounts) -> None:
        self.rates = max(rates[0], 1 / MINUTE_S), max(rates[1], 1 / MINUTE_S)
        most = MAX_RECOVERY_S if self.known == UNKNOWN else MAX_RECOVERY_IF_KNOWN_S
        self._recovery = min(most, max(RECOVERY_S, REQUESTS_PER_EPISODE / self.rates[0]))

    def _first_rates(self, episode: Episode) -> Amounts:
        """What is stated or reported; else the last minute's rate, rather too high: the next episode measures it."""
        self._start = LEFT_IF_RARE
        self._first_burst = episode.minute, episode.minute_seconds
        seconds = max(MEASURED_S, episode.minute_seconds)
        rates = [amount / seconds for amount in episode.minute]
        for place, other in ((0, 1), (1, 0)):
            if self.known[place] < math.inf:
                rates[place] = self.known[place]
                if self.known[other] == math.inf and episode.minute[place]:  # what goes along with a known rate
                    rates[other] = max(rates[other], rates[place] * episode.minute[other] / episode.minute[place])
        return rates[0], rates[1]

    def _next_rates(self, episode: Episode) -> Amounts:
        in_force = self._in_force(episode.began_at)
        if self.windowed and self.span == MINUTE_S:
            is_measured, measured = True, (episode.minute[0] / MINUTE_S, episode.minute[1] / MINUTE_S)
        else:
            seconds = max(episode.seconds, 0.05)
            measured = episode.admitted[0] / seconds, episode.admitted[1] / seconds
            is_measured = (
                episode.from_full
                and episode.admitted[0] >= MEASURED_REQUESTS
                and episode.seconds >= MEASURED_S
                and (self.windowed or episode.paused <= MAX_PAUSED * episode.seconds)
            )
        is_rare = self._density <= RARE
        if not is_measured:
            self._start = LEFT
            return in_force[0] * CONVERGENCE, in_force[1] * CONVERGENCE
        if not self.windowed:
            measured = self._with_storage(measured, in_force, episode.seconds)
        shares = [amount / pace for amount, pace in zip(measured, in_force, strict=True)]
        highest = max(shares)
        if is_rare and highest >= SUSPECT:
            self._start = LEFT_IF_RARE
            return in_force
        self._start = min(MEASURED, max(MEASURED * highest, LEFT_AS_MEASURED))
        requests, tokens = (
            (pace + min(pace, amount)) / 2 if share >= SUSPECT * highest else pace
            for amount, pace, share in zip(measured, in_force, shares, strict=True)
        )
        return requests, tokens

    def _with_storage(self, measured: Amounts, in_force: Amounts, seconds: float) -> Amounts:
        """A server that stores little of what was not used is measured by the pace at which it was full instead.

        The first burst has shown how many seconds' worth it holds.
        """
        amounts, burst = self._first_burst
        rates = []
        for amount, rate, pace in zip(amounts, measured, in_force, strict=True):
            stored = max(0.0, amount / max(rate, pace) - burst)
            share = min(1.0, stored / seconds)
            rates.append(max(rate, share * rate + (1 - share) * pace))
        return rates[0], rates[1]

    def _in_force(self, when: float) -> Amounts:
        assert self.rates is not None
        factor = self.factor(when)
        requests, tokens = (min(rate * factor, known) for rate, known in zip(self.rates, self.known, strict=True))
        return requests, tokens


class _Smooth:
    """Two buckets that hold what is sent within a span, or the largest request."""

    def __init__(self, now: float, span: float) -> None:
        self._span = span
        self._levels = [0.0, 0.0]
        self._needed = [1.0, 1.0]
        """The largest amounts that were asked for: a flow saves up for them, so that queries find no debt."""
        self._now = now

    def earliest(self, now: float, amounts: Amounts, aside: Amounts, limits: Amounts, _: Amounts) -> float:
        passed, self._now = max(0.0, now - self._now), now
        when = now
        for place in (0, 1):
            limit = limits[place]
            if limit == math.inf:
                continue
            needed = amounts[place] + aside[place]
            self._needed[place] = max(self._needed[place], needed)
            level = min(self._levels[place] + passed * limit, max(limit * self._span, self._needed[place]))
            self._levels[place] = level
            if level < needed:
                when = max(when, now + (needed - level) / limit)
        return when

    def sent(self, _: float, requests: float, tokens: float) -> None:
        self._levels[0] -= requests
        self._levels[1] -= tokens

    def corrected(self, tokens: float) -> None:
        self._levels[1] -= tokens

    def refunded(self, requests: float, tokens: float) -> None:
        self._levels[0] += requests
        self._levels[1] += tokens

    def answered(self, now: float, sent_at: float, requests: float, tokens: float, *, success: bool) -> None:
        """A flow counts what is sent."""


class _Windowed:
    """What was sent within a span. Beyond what the window has shown to hold, requests feel their way."""

    def __init__(self, now: float, span: float, windows: tuple[Window, Window]) -> None:
        self._windows = tuple(_SentWindow.copy(window, span, now) for window in windows)
        self.explorers = 1
        """Requests in flight beyond what is known; each success allows one more."""
        self.expected = 0.0
        """Seconds from the last 429 until there should be room again."""
        self._exploring = False

    def earliest(self, now: float, amounts: Amounts, aside: Amounts, limits: Amounts, rates: Amounts) -> float:
        when = now
        exploring = False
        for window, amount, left, limit, rate in zip(self._windows, amounts, aside, limits, rates, strict=True):
            if limit == math.inf:
                continue
            window.advance(now)
            content = window.used + amount + left
            if window.used > 0 and content > limit * window.span:
                when = max(when, window.next_expiry(now))
            exploring = exploring or content > rate * window.span
        if exploring and when <= now and self._windows[0].under_way >= self.explorers:
            return self._windows[0].next_expiry(now)
        self._exploring = exploring
        return when

    def reject(self, now: float) -> None:
        self.explorers = 1
        self.expected = self.until_room(now)

    def until_room(self, now: float) -> float:
        window = self._windows[0]
        window.advance(now)
        return max(0.0, window.cells[0].expires - now) if window.cells else 0.0

    def sent(self, now: float, requests: float, tokens: float) -> None:
        for window, amount in zip(self._windows, (requests, tokens), strict=True):
            window.advance(now)
            window.sent(now, amount)

    def corrected(self, tokens: float) -> None:
        self._windows[1].correct(tokens)

    def refunded(self, requests: float, tokens: float) -> None:
        self._windows[0].correct(-requests)
        self._windows[1].correct(-tokens)

    def answered(self, now: float, sent_at: float, requests: float, tokens: float, *, success: bool) -> None:
        if success and self._exploring:
            self.explorers += 1
        for window, amount in zip(self._windows, (requests, tokens), strict=True):
            window.answered(now, sent_at, amount)


class _SentWindow(Window):
    """Counts from when a request is sent: an estimate need not be on the safe side, and an answer may be late."""

    @classmethod
    def copy(cls, window: Window, span: float, now: float) -> _SentWindow:
        """Of what was sent within ``span``."""
        copy = cls(span)
        copy.under_way = window.under_way
        copy.used = window.used - sum(amount for _, amount, _ in window.foreign)
        for cell in window.cells:
            if cell.sent_at + span > now:
                mine = Cell(cell.opened_at)
                mine.sent_at, mine.amount, mine.expires = cell.sent_at, cell.amount, cell.sent_at + span + MARGIN_S
                copy.cells.append(mine)
            else:
                copy.used -= cell.amount
        return copy

    def _expiry(self, now: float, sent_at: float, cell: Cell) -> float:
        return max(cell.expires, sent_at + self.span + MARGIN_S)
