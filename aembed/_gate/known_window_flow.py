"""A window of known length and limits, filled as soon as it has room. Pure.

An even flow at a known rate lags one window behind: the server admits the first window's worth at once, and the last.
In a window of a few seconds that is several percent of a job of a few minutes, and where few batches fit into one, an
even flow tries in vain to send a fraction of a batch.

Requests count for the span and a margin.
"""

from __future__ import annotations

import math

from aembed._gate.burst_flow import BurstFlow
from aembed._gate.episode import AdmittedAmounts, Episode, Pause, Suspects
from aembed._gate.even_flow import CLOSED_REJECTIONS, MAX_STRAY_WAIT_S
from aembed._gate.margin import Margin
from aembed._gate.reserve import LOOK_AGAIN_S
from aembed._gate.window import Window, usual_window_s

ROUNDING_SHARE = 1e-9
"""Rounding error of a sum, as a share of the window."""
EARLY_OPENING_SHARE = 0.1
"""Share of the span by which a server may open sooner than its oldest entries expire; more shows a fixed window."""
CONTRADICTING_EPISODES = 3
"""Episodes, each within ``CONTRADICTION_SPANS`` of the one before, that show another kind of server."""
CONTRADICTION_SPANS = 3.0
"""Spans between two episodes within which they add up: a wrong window brings one in almost every span."""
MIN_CONTENT_SHARE, MAX_CONTENT_SHARE = 0.4, 0.9
"""Content at a closure, as shares of the window, that shows a shorter one: less has another cause, more is jitter."""
NEARLY_FULL_SHARE = 0.7
"""Share of a window from which on it explains a 429."""


class KnownWindowFlow(BurstFlow):
    """``known`` are units a second; a window of ``span`` seconds holds so many times as much."""

    def __init__(self, now: float, span: float, known: AdmittedAmounts, windows: tuple[Window, Window]) -> None:
        super().__init__(now, span, windows)
        self._known = known
        self._row = 0
        """429s since the last success."""
        self._contradictions = 0
        self._is_explained = True
        """The window was full when the last episode began, or all limits are known."""
        self._full_at = now
        """Time at which the request was sent that the last episode began with."""
        self._closed_at = now
        self._content = [window.used for window in self._windows]
        """Admitted content of the window at the last closure."""
        self._sent = [max(1.0, window.own) for window in windows]
        """Amounts sent in all, those of the minute before included."""
        self.margin = Margin(now, span)

    @property
    def is_estimate(self) -> bool:
        return False

    @property
    def average(self) -> AdmittedAmounts:
        """A hidden rate is what goes along with the known one."""
        (requests, tokens), speed = self._known, self.margin.speed
        if tokens == math.inf:
            tokens = requests * self._sent[1] / self._sent[0]
        elif requests == math.inf:
            requests = tokens * self._sent[0] / self._sent[1]
        return requests * speed, tokens * speed

    def knows(self, known: AdmittedAmounts) -> None:
        self._known = known

    def earliest(self, now: float, amounts: AdmittedAmounts, aside: AdmittedAmounts, least: AdmittedAmounts) -> float:
        when, is_full = now, False
        for place, window in enumerate(self._windows):
            window.advance(now)
            room = self._known[place] * self.span * (1 + ROUNDING_SHARE) - window.used - amounts[place]
            if window.used > 0 and room < aside[place]:
                when = max(when, window.next_expiry(now))
                is_full = is_full or room < 0
        return when if is_full else min(when, now + LOOK_AGAIN_S)

    def sent(self, now: float, amounts: AdmittedAmounts, *, is_query: bool) -> None:
        self._sent = [total + amount for total, amount in zip(self._sent, amounts, strict=True)]
        super().sent(now, amounts, is_query=is_query)

    def left_over(self, now: float, amounts: AdmittedAmounts) -> AdmittedAmounts:
        requests, tokens = (
            window.left_over(now, known * self.span, amount)[1]
            for window, known, amount in zip(self._windows, self._known, amounts, strict=True)
        )
        return requests, tokens

    def answered(self, now: float, sent_at: float, amounts: AdmittedAmounts, *, is_query: bool, success: bool) -> None:
        if success:
            self._row = 0
            self.margin.accepted(now - sent_at)
            for window in self._windows:
                window.margin = self.margin.seconds
        super().answered(now, sent_at, amounts, is_query=is_query, success=success)

    def refunded(self, sent_at: float, amounts: AdmittedAmounts) -> None:
        super().refunded(sent_at, amounts)
        self._content = [content - amount for content, amount in zip(self._content, amounts, strict=True)]

    def is_stray(self, wait: float | None) -> bool:
        return self._row + 1 < CLOSED_REJECTIONS and (wait is None or wait <= MAX_STRAY_WAIT_S)

    def rejected(
        self, now: float, sent_at: float, amounts: AdmittedAmounts, suspects: Suspects, wait: float | None
    ) -> bool:
        self._row += 1
        wider = self.margin.rejected(now, sent_at)
        for window in self._windows:
            window.widen(wider)
        return self._explains_429s(now) and not self.margin.is_too_large

    def _explains_429s(self, now: float) -> bool:
        """False if the window has room: a limit that is not known may have been full."""
        used = []
        for window, known in zip(self._windows, self._known, strict=True):
            window.advance(now)
            used.append(window.used / (known * self.span))
        return max(used) >= NEARLY_FULL_SHARE or math.inf not in self._known

    def closed(self, now: float, episode: Episode, suspects: Suspects) -> None:
        self._is_explained = self._explains_429s(now)
        self._full_at = episode.began_at
        self._row = 0
        self._content = [window.used for window in self._windows]
        is_again = now - self._closed_at < CONTRADICTION_SPANS * self.span
        self._contradictions = self._contradictions + 1 if is_again else 1
        self._closed_at = now

    def opened(self, now: float, pause: Pause) -> bool:
        if self.until_room(now) > EARLY_OPENING_SHARE * self.span:
            for window in self._windows:
                window.forget(self._full_at + pause.seconds)
        held = max(content / known for content, known in zip(self._content, self._known, strict=True))
        if math.inf not in self._known and MIN_CONTENT_SHARE * self.span <= held < MAX_CONTENT_SHARE * self.span:
            self._resize(usual_window_s(held))
        return self._contradictions < CONTRADICTING_EPISODES and self._is_explained

    def _resize(self, span: float) -> None:
        """The window is shorter than it seemed."""
        for window in self._windows:
            window.resize(span)
        self.span = span

    def is_out_of_sight(self, now: float) -> bool:
        return False
