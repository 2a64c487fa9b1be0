"""The pace after 429s that no known limit explains: an even flow or, in long windows, bursts. Pure.

A 429 rarely names the short resource, so requests and tokens have one pace. An even flow suits every server, but lags
behind by one window. A window of 15 s or more with a hidden limit, or of 4 s with known ones, is therefore filled in
bursts. Stated and reported limits stay in force besides the pace, and after a minute of health its rate is back at
them.
"""

from __future__ import annotations

import math

from aembed._gate.episode import AdmittedAmounts, Episode, Pause, Suspects
from aembed._gate.even_flow import EvenFlow
from aembed._gate.first_rates import first_rates, unsuspected_more
from aembed._gate.flow import Flow
from aembed._gate.known_window_flow import KnownWindowFlow
from aembed._gate.reservation import Reservation
from aembed._gate.window import MINUTE_S, Window, usual_window_s
from aembed._gate.windowed_flow import MIN_WINDOW_S, WindowedFlow

RECOVERY_S = 60.0
"""Seconds of health after which the rate is back at a stated or reported limit."""
MAX_RETRIAL_S = 3600.0
"""Longest time before another burst is tried, doubled from a minute each time that a burst ends in 429s."""
NO_WINDOW_FACTOR = 4.0
"""Factor on the time without a known window after each contradiction: each trial costs a row of 429s."""
MIN_REQUESTS = 3.0
"""Fewest requests in the minute before a 429, its own included, that point to a rate limit."""
CONTRADICTING_EPISODES = 3
"""Episodes, less than a minute apart, that outweigh headers; fewer are chance or an outage."""
MIN_WINDOW_REQUESTS = 6.0
"""Fewest requests that fill a window; after fewer, only a second pause is taken for one."""
WINDOW_PAUSE_S, WINDOW_PAUSE_SHARE = 2.0, 1 / 3
"""Shortest pause that means a window: seconds, and share of the time since the last one. Buckets refill sooner."""
MIN_KNOWN_WINDOW_S = 4.0
"""Shortest window filled in bursts that a pause has shown; headers show shorter ones, too."""
LONGEST_WINDOW_S = 1.05 * MINUTE_S
"""A minute, and the time until its end is noticed: a longer pause is an outage."""
MIN_FITTING_REQUESTS = 4.0
"""Fewest requests that a window of known limits holds if it is filled in bursts: of fewer, the rest is a large part."""
FRESH_RATE_SHARE = 0.5
"""Rate of a burst and its pause, as a share of the rate of the last minute, below which they show only a part of a
window: it was partly full before."""
MAX_PAUSE_SPANS = 2.0
"""Longest pause that a window of the known limit makes, in times of the seconds that its content took at that rate."""
MIN_MINUTE_S = 50.0
"""Shortest apparent window that is taken for the stated minute, filled slightly early."""
SAME_SPAN_SHARE = 0.01
"""Share by which two spans that headers show may differ: a window is begun anew only for a longer one."""
MAX_WAIT_S = 60.0
"""Longest time between requests of one kind that an estimate enforces: servers count by the minute, so a longer one
could only be wrong."""
UNKNOWN_RATES = math.inf, math.inf
"""Requests and tokens a second while no limit is known."""
NO_MIN_RATES = 0.0, 0.0
"""Requests and tokens a second while no known limit sets a floor."""


class Pace:
    """The flow in force, from the first episode of 429s until it has outgrown every limit."""

    def __init__(self) -> None:
        self.is_bucket = False
        """Headers have shown that the server has no windows."""
        self.is_fixed = False
        """Headers have shown when its windows end, so that the quotas fill them without a flow."""
        self.is_understood = False
        """Headers have shown which rule the server applies."""
        self._last_episode = -math.inf
        self._episodes = 0
        """Consecutive ones, each less than a minute after the one before."""
        self.flow: Flow | None = None
        """The flow in force; ``None`` while the pace limits nothing."""
        self._known: AdmittedAmounts = UNKNOWN_RATES
        self._healthy_since = 0.0
        self._had_few = False
        """The last pause came after few requests."""
        self._last_sent = {"document": -math.inf, "query": -math.inf}
        self._is_hidden_limit = False
        """Only a limit that is neither stated nor reported can have caused the last 429."""
        self._closures = 0
        """Closures of the present even flow."""
        self._no_window_s, self._no_window_until = RECOVERY_S, -math.inf
        """Seconds for which a contradicted known window is not tried again, and the time at which they end."""
        self._keep_s, self._kept_until = RECOVERY_S, -math.inf
        """Seconds of health before a burst is tried again; time of the last trial."""

    @property
    def is_even(self) -> bool:
        """The flow in force sends one request at a time."""
        return self.flow is not None and self.flow.span is None

    def window(self, place: int) -> Window | None:
        """The window of requests (0) or tokens (1) that is filled in bursts; ``None`` if there is none."""
        return None if self.flow is None else self.flow.window(place)

    def knows(self, known: AdmittedAmounts) -> None:
        """Units a second that are stated or reported; infinite: none."""
        self._known = known
        if self.flow is not None:
            self.flow.knows(known)
            if not self.flow.is_estimate and (self.is_fixed or self.is_bucket or known == UNKNOWN_RATES):
                self.flow = None

    def earliest(self, now: float, reservation: Reservation, aside: AdmittedAmounts) -> float:
        """When such a request may be sent and leave ``aside``: ``now``, or a time worth asking again."""
        self._forget(now)
        if self.flow is None:
            return now
        when = self.flow.earliest(now, (reservation.requests, reservation.tokens), aside, self._least(now))
        return when if when <= now else min(when, max(now, self._last_sent[reservation.kind] + MAX_WAIT_S))

    def left_over(self, now: float, head: Reservation) -> AdmittedAmounts:
        """Requests and tokens that may be sent now without a delay of ``head``, which waits."""
        return UNKNOWN_RATES if self.flow is None else self.flow.left_over(now, (head.requests, head.tokens))

    def until_room(self, now: float) -> float:
        """Seconds until a window has room again, if it is full as of now and no header says so."""
        return 0.0 if self.flow is None else self.flow.until_room(now)

    def sent(self, now: float, reservation: Reservation) -> None:
        self._last_sent[reservation.kind] = now
        if self.flow is not None:
            self.flow.sent(now, (reservation.requests, reservation.tokens), is_query=reservation.kind == "query")

    def corrected(self, sent_at: float, tokens: float) -> None:
        """The request sent then has so many more tokens."""
        if self.flow is not None:
            self.flow.corrected(sent_at, tokens)

    def refunded(self, sent_at: float, requests: float, tokens: float) -> None:
        """The request sent then did not count."""
        if self.flow is not None:
            self.flow.refunded(sent_at, (requests, tokens))

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        if self.flow is not None:
            self.flow.answered(now, sent_at, amounts, is_query=is_query, success=success)

    def is_stray(self, wait: float | None) -> bool:
        """True if a 429 with this Retry-After concerns a single request that came slightly too early."""
        return self.flow is not None and self.flow.is_stray(wait)

    def rejected(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects, wait: float | None
    ) -> None:
        """Note a stray 429 to a request of these amounts."""
        assert self.flow is not None, "without a flow no 429 is a stray"
        self._healthy_since = now
        self._suspect(suspects)
        if not self.flow.rejected(now, sent_at, amounts, suspects, wait):
            self._contradicted(now, self.flow)

    def slow_down(self, now: float, episode: Episode, suspects: Suspects, *, is_explained: bool = False) -> None:
        """Note that an episode begins. ``is_explained``: a known quota was nearly full."""
        self._healthy_since = math.inf
        self._suspect(suspects)
        if self.flow is not None:
            self.flow.closed(now, episode, suspects)
            self._closures += 1
        elif episode.minute[0] >= MIN_REQUESTS and not self._is_chance(now, is_explained):
            self.flow = EvenFlow(now, first_rates(episode, self._known), self._known)
            self._closures = 0
            self._keep_s = min(MAX_RETRIAL_S, 2 * self._keep_s) if now < self._kept_until + RECOVERY_S else RECOVERY_S

    def _suspect(self, suspects: Suspects) -> None:
        """Note whether only a hidden limit can have caused a 429."""
        shown = [is_suspect and known < math.inf for is_suspect, known in zip(suspects, self._known, strict=True)]
        self._is_hidden_limit = not any(shown)

    def _is_chance(self, now: float, is_explained: bool) -> bool:
        """A known quota explains the 429, or headers show how the server counts, and few episodes contradict that."""
        if now - self._last_episode > MINUTE_S:
            self._episodes = 0
        self._last_episode = now
        self._episodes += 1
        if self.is_fixed and is_explained:
            return True  # its window's end is known, however often it is full
        return (is_explained or self.is_understood) and self._episodes < CONTRADICTING_EPISODES

    def recover(self, now: float, episode: Episode, pause: Pause, windows: tuple[Window, Window]) -> None:
        """Note that the episode has ended. ``windows``: requests and tokens of the last minute."""
        self._healthy_since = now
        flow = self.flow
        if flow is None:
            return
        is_right = flow.opened(now, pause)
        if isinstance(flow, EvenFlow):
            if self._is_window(episode, pause):
                self.flow = self._windowed(now, flow, episode, pause, windows)
        elif not is_right:
            self._contradicted(now, flow)

    def _contradicted(self, now: float, flow: Flow) -> None:
        """``flow`` assumed another kind of server. A known window is not tried again for some time."""
        if not flow.is_estimate:
            self._no_window_until = now + self._no_window_s
            self._no_window_s = min(MAX_RETRIAL_S, NO_WINDOW_FACTOR * self._no_window_s)
        self.flow = EvenFlow(now, flow.average, self._known)
        self._closures = 1

    def _is_window(self, episode: Episode, pause: Pause) -> bool:
        """A flow that was even for a minute would have filled any window before, and no window is closed for longer.

        An even burst fills a window of a minute in the rest of that minute. At most one more lay before that.
        """
        return (
            not self.is_bucket
            and episode.burst < MINUTE_S
            and episode.burst + 2 * pause.closed < 2 * LONGEST_WINDOW_S
            and pause.closed >= max(WINDOW_PAUSE_S, WINDOW_PAUSE_SHARE * episode.burst)
        )

    def _windowed(
        self, now: float, flow: EvenFlow, episode: Episode, pause: Pause, windows: tuple[Window, Window]
    ) -> Flow | None:
        """The flow for the window that a pause has shown; ``None``: known limits suffice, or too little is known."""
        span, admitted = pause.seconds + episode.burst, pause.admitted
        if admitted[0] / span < FRESH_RATE_SHARE * episode.minute[0] / MINUTE_S:
            span, admitted = MINUTE_S, episode.minute  # the window held more than this burst, of unknown age
        is_few = admitted[0] < MIN_WINDOW_REQUESTS
        if is_few and not self._had_few:
            self._had_few = True
            return flow
        self._had_few = is_few
        if math.inf not in self._known:
            known = self._known_window(now, flow, admitted, episode.rejected, windows)
            if isinstance(known, KnownWindowFlow):
                known.opened(now, pause)
            return known
        of_known = max(amount / rate for amount, rate in zip(admitted, self._known, strict=True))
        if self._known != UNKNOWN_RATES and not self._closures and pause.closed <= MAX_PAUSE_SPANS * of_known:
            return flow  # a short window of the known limit would look the same
        span = min(MINUTE_S, span)
        if span < MIN_WINDOW_S:
            flow.measured(admitted, span, episode.rejected)
            return flow
        hidden = unsuspected_more(admitted, episode.rejected, admitted)
        requests, tokens = (
            known * span if known < math.inf else amount or math.inf
            for known, amount in zip(self._known, hidden, strict=True)
        )
        return WindowedFlow(now, span, (requests, tokens), self._known, windows)

    def use_window(self, now: float, span: float, windows: tuple[Window, Window]) -> None:
        """Headers have shown a window of known limits, of about ``span`` seconds."""
        if self._known == UNKNOWN_RATES or self.is_fixed or self.is_bucket or now < self._no_window_until:
            return
        if self._is_hidden_limit and isinstance(self.flow, EvenFlow):
            return  # the window of the known limit is not full before the hidden one is
        if not isinstance(self.flow, KnownWindowFlow) or self.flow.span < (1 - SAME_SPAN_SHARE) * span:
            self.flow = KnownWindowFlow(now, span, self._known, windows)

    def _known_window(
        self,
        now: float,
        flow: EvenFlow,
        admitted: AdmittedAmounts,
        rejected: AdmittedAmounts,
        windows: tuple[Window, Window],
    ) -> Flow | None:
        """A burst has shown how many seconds' worth of the known limits a window holds."""
        span = max(amount / rate for amount, rate in zip(admitted, self._known, strict=True))
        if span >= MIN_MINUTE_S or self.is_fixed:
            return None  # the stated limits hold; the server just counted slightly more
        is_coarse = any(
            span * rate < MIN_FITTING_REQUESTS * amount for amount, rate in zip(rejected, self._known, strict=True)
        )
        if now < self._no_window_until or span < MIN_KNOWN_WINDOW_S or is_coarse:
            return flow
        return KnownWindowFlow(now, usual_window_s(span), self._known, windows)

    def _least(self, now: float) -> AdmittedAmounts:
        """The rate below which no flow falls, as a known limit recovers."""
        healthy = max(0.0, now - self._healthy_since)
        if not healthy:
            return NO_MIN_RATES
        back = min(1.0, healthy / RECOVERY_S) ** 3
        requests, tokens = (rate * back if rate < math.inf else 0.0 for rate in self._known)
        return requests, tokens

    def _forget(self, now: float) -> None:
        flow = self.flow
        if flow is None:
            return
        is_back = flow.is_estimate and math.inf not in self._known and now - self._healthy_since >= self._keep_s
        if is_back or flow.is_out_of_sight(now):
            self.flow = None
            self._kept_until = now
