"""The speed that a server has shown to accept, once it has answered 429 for no reason that limits explain. Pure.

Requests and tokens have one pace together, since a 429 rarely says which of them is short. It is an even flow or, where
a window is so long that waiting for an even flow would cost much, windowed.

A stated or reported limit is not replaced by this: it stays in force as well, and after a minute of health the pace is
back at it.
"""

from __future__ import annotations

import math

from aembed._gate.episode import Amounts, Episode, Pause
from aembed._gate.even_flow import EvenFlow
from aembed._gate.reservation import Reservation
from aembed._gate.window import MINUTE_S, Window
from aembed._gate.windowed_flow import WindowedFlow

BACK_AFTER_S = 60.0
"""After so many seconds of health the pace is back at any limit that is stated or reported."""
MAX_KEEP_S = 3600.0
"""A server that has answered every burst with 429s gets the next so much later."""
MIN_REQUESTS = 3.0
"""Requests in the minute before the first 429, the one that got it included; fewer say nothing of a limit."""
CONTRADICTIONS = 3
"""Episodes, less than a minute apart, against what headers show of the server's rule; fewer are chance or outages."""
MIN_WINDOW_REQUESTS = 6.0
"""After fewer a pause may be an outage as well as a window that they have filled; after the next it is a window."""
MIN_BURST_S = 0.5
"""A burst counts for so long at least: its rate is chance."""
WINDOW_PAUSE_S, WINDOW_PAUSE_SHARE = 2.0, 1 / 3
"""A pause of so many seconds and of this share of the time before means a window: a bucket refills sooner."""
MIN_WINDOW_S = 15.0
"""An even flow lags behind by one window: longer ones are worth being filled in one go, though queries have to wait."""
FRESH = 0.5
"""Share of the last minute's rate that a burst and the pause after it come to, at least, if they are a whole window."""
NEARLY_A_MINUTE_S = 50.0
MAX_WAIT_S = 60.0
"""A pace, an estimate, keeps no request waiting for longer after the last of its kind: servers count by the minute."""
UNKNOWN = math.inf, math.inf
NO_FLOOR = 0.0, 0.0


class Pace:
    """In force from the first episode until it has grown out of sight."""

    def __init__(self) -> None:
        self.is_bucket = False
        """Headers have shown that the server has no windows."""
        self.is_understood = False
        """Headers have shown how it counts."""
        self._last_episode = -math.inf
        self._episodes = 0
        """Less than a minute apart."""
        self.flow: EvenFlow | WindowedFlow | None = None
        self._known: Amounts = UNKNOWN
        self._healthy_since = 0.0
        self._had_few = False
        """The last pause came after few requests."""
        self._last_sent = {"document": -math.inf, "query": -math.inf}
        self._closures = 0
        """Of the even flow."""
        self._keep_s, self._kept_until = BACK_AFTER_S, -math.inf
        """How long health lasts before a burst is tried again, and when it last was."""

    @property
    def in_force(self) -> bool:
        return self.flow is not None

    @property
    def window_s(self) -> float | None:
        """Length of the window; ``None`` if there is none."""
        return self.flow.span if isinstance(self.flow, WindowedFlow) else None

    def knows(self, known: Amounts) -> None:
        """Units a second that are stated or reported; infinite: none."""
        self._known = known
        if isinstance(self.flow, EvenFlow):
            self.flow.known = known

    def earliest(self, now: float, reservation: Reservation, aside: Amounts) -> float:
        """When such a request may be sent and leave ``aside``: ``now``, or a time worth asking again."""
        self._forget(now)
        flow = self.flow
        if flow is None:
            return now
        amounts, least = (reservation.requests, reservation.tokens), self._least(now)
        if isinstance(flow, EvenFlow):
            when = flow.earliest(now, amounts, aside, least)
        else:
            when = flow.earliest(now, amounts, aside, self._known, least)
        return when if when <= now else min(when, max(now, self._last_sent[reservation.kind] + MAX_WAIT_S))

    def until_room(self, now: float) -> float:
        """Seconds until a window has room again, if it is full as of now and no header says so."""
        return self.flow.until_room(now) if isinstance(self.flow, WindowedFlow) else 0.0

    def sent(self, now: float, reservation: Reservation) -> None:
        self._last_sent[reservation.kind] = now
        if isinstance(self.flow, EvenFlow):
            self.flow.sent(reservation.requests, reservation.tokens)
        elif self.flow is not None:
            self.flow.sent(now, reservation.requests, reservation.tokens)

    def corrected(self, tokens: float) -> None:
        """A request in flight has so many more tokens."""
        if self.flow is not None:
            self.flow.corrected(tokens)

    def refunded(self, requests: float, tokens: float) -> None:
        """A request did not count. That an even flow has waited for it stays true."""
        if isinstance(self.flow, WindowedFlow):
            self.flow.refunded(requests, tokens)

    def answered(self, now: float, sent_at: float, requests: float, tokens: float, *, success: bool) -> None:
        if isinstance(self.flow, WindowedFlow):
            self.flow.answered(now, sent_at, requests, tokens, success=success)
        elif self.flow is not None and success:
            self.flow.succeeded(now)

    def is_stray(self, wait: float | None) -> bool:
        """Whether a 429 that names ``wait`` says only that a request came a little too soon."""
        return isinstance(self.flow, EvenFlow) and self.flow.is_stray(wait)

    def rejected(self, now: float, sent_at: float) -> None:
        """A stray 429."""
        assert isinstance(self.flow, EvenFlow), "only an even flow has strays"
        self._healthy_since = now
        self.flow.rejected(now, sent_at)

    def slow_down(self, now: float, episode: Episode) -> None:
        """An episode begins."""
        self._healthy_since = math.inf
        if isinstance(self.flow, EvenFlow):
            self.flow.closed(episode)
            self._closures += 1
        elif self.flow is not None:
            self.flow.closed(now)
        elif episode.minute[0] >= MIN_REQUESTS and not self._is_chance(now):
            self.flow = EvenFlow(now, self._first_rates(episode), self._known)
            self._closures = 0
            self._keep_s = min(MAX_KEEP_S, 2 * self._keep_s) if now < self._kept_until + BACK_AFTER_S else BACK_AFTER_S

    def _is_chance(self, now: float) -> bool:
        """Headers show how the server counts, and few episodes have contradicted them."""
        if now - self._last_episode > MINUTE_S:
            self._episodes = 0
        self._last_episode = now
        self._episodes += 1
        return self.is_understood and self._episodes < CONTRADICTIONS

    def recover(self, now: float, episode: Episode, pause: Pause, windows: tuple[Window, Window]) -> None:
        """An episode has ended. ``windows`` hold what was sent in the last minute."""
        self._healthy_since = now
        if isinstance(self.flow, WindowedFlow):
            if not self.flow.opened(now, pause.closed) or self.flow.span < MIN_WINDOW_S:
                self.flow = EvenFlow(now, self._of_window(self.flow), self._known)
                self._closures = 1
        elif self.flow is not None:
            self.flow.opened()
            if self._is_window(episode, pause):
                self._use_window(now, episode, pause, windows)

    def _is_window(self, episode: Episode, pause: Pause) -> bool:
        """A flow that was even for a minute would have filled any window before."""
        return (
            not self.is_bucket
            and episode.burst < MINUTE_S
            and pause.closed >= max(WINDOW_PAUSE_S, WINDOW_PAUSE_SHARE * episode.burst)
        )

    def _use_window(self, now: float, episode: Episode, pause: Pause, windows: tuple[Window, Window]) -> None:
        span, admitted = pause.seconds + episode.burst, pause.admitted
        if admitted[0] / span < FRESH * episode.minute[0] / MINUTE_S:
            span, admitted = MINUTE_S, episode.minute  # it holds more than this burst, of which the age is not known
        is_few = admitted[0] < MIN_WINDOW_REQUESTS
        if is_few and not self._had_few:
            self.flow = None
            self._had_few = True
            return
        self._had_few = is_few
        assert isinstance(self.flow, EvenFlow), "a window is recognised once"
        known = [amount / rate for amount, rate in zip(admitted, self._known, strict=True) if rate < math.inf]
        if len(known) == len(self._known):  # the burst has shown how many seconds' worth there are
            span = max(known)
            if span >= NEARLY_A_MINUTE_S:
                self.flow = None  # it is as it was said to be, and was full a little sooner than thought
                return
        elif known and not self._closures:
            return  # a short window of what is known explains it as well
        span = min(MINUTE_S, span)
        if span < MIN_WINDOW_S:
            self.flow.measured(admitted, span)
            return
        amounts = tuple(
            known * span if known < math.inf else amount or math.inf
            for known, amount in zip(self._known, admitted, strict=True)
        )
        self.flow = WindowedFlow(now, span, (amounts[0], amounts[1]), windows)

    def _of_window(self, flow: WindowedFlow) -> Amounts:
        return flow.amounts[0] / flow.span, flow.amounts[1] / flow.span

    def _first_rates(self, episode: Episode) -> Amounts:
        """What is stated or reported; else the last minute's rate, rather too high: the next episode measures it."""
        seconds = max(MIN_BURST_S, episode.minute_seconds)
        rates = [amount / seconds for amount in episode.minute]
        for place, other in ((0, 1), (1, 0)):
            if self._known[place] < math.inf:
                rates[place] = self._known[place]
                if self._known[other] == math.inf and episode.minute[place]:  # what goes along with a known rate
                    rates[other] = max(rates[other], rates[place] * episode.minute[other] / episode.minute[place])
        return rates[0], rates[1]

    def _least(self, now: float) -> Amounts:
        """The floor that a known limit gives."""
        healthy = max(0.0, now - self._healthy_since)
        if not healthy:
            return NO_FLOOR
        back = min(1.0, healthy / BACK_AFTER_S) ** 3
        requests, tokens = (rate * back if rate < math.inf else 0.0 for rate in self._known)
        return requests, tokens

    def _forget(self, now: float) -> None:
        flow = self.flow
        if flow is None:
            return
        if (now - self._healthy_since >= self._keep_s and math.inf not in self._known) or (
            flow.is_out_of_sight if isinstance(flow, EvenFlow) else flow.is_out_of_sight(now)
        ):
            self.flow = None
            self._kept_until = now
