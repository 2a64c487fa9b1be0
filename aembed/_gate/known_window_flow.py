"""A window of known length and limits, filled as soon as it has room. Pure.

An even flow at a known rate lags one window behind: the server admits the first window's worth at once, and the last.
In a window of a few seconds that is several percent of a job of a few minutes, and where few batches fit into one, an
even flow tries in vain to send a fraction of a batch.

Entries count for the span and a margin, because requests overtake each other. 429s widen the margin and answers narrow
it, so that a few requests in a hundred get one.
"""

from __future__ import annotations

import math

from aembed._gate.burst_flow import BurstFlow
from aembed._gate.episode import Amounts, Episode, Pause
from aembed._gate.even_flow import IN_A_ROW, MAX_STRAY_WAIT_S
from aembed._gate.reserve import LOOK_AGAIN_S
from aembed._gate.window import Window

ROUNDING = 1e-9
"""Share of a window by which sums may err."""
TOO_SOON = 0.1
"""Share of the span by which a server may open sooner than its oldest entries expire; more shows a fixed window."""
CONTRADICTIONS = 3
"""Episodes, each within ``CONTRADICTED_SPANS`` of the one before, that show another kind of server."""
CONTRADICTED_SPANS = 3.0
SHARE = 0.04
"""Share of 429s at which the margin stays as it is."""
STEP = 0.25
"""Share of the usual lateness of an answer that a 429 adds to the margin."""
MIN_STEP = 0.001
"""The least that it adds, as a share of the span."""
SOON = 1.5 / SHARE
"""Consecutive successes after which it shrinks faster, with their square: most runs at ``SHARE`` are shorter."""
OFTEN, OFTEN_STEP = 0.1, 0.25
"""Share of 429s from which on the margin grows by a quarter of that share of the span: jitter is not the cause."""
DOUBTS = 2
"""Answers added to the denominator of the share, so that the first one or two decide little."""
MEAN_OF = 16.0
"""Answers of which the lateness is the mean, about."""
NEARLY_FULL = 0.7
"""Share of a window from which on it explains a 429."""
MAX_MARGIN = 0.5
"""Largest margin as a share of the span; a server that needs more has no such window."""


class KnownWindowFlow(BurstFlow):
    """``known`` are units a second; a window of ``span`` seconds holds so many times as much."""

    def __init__(self, now: float, span: float, known: Amounts, windows: tuple[Window, Window]) -> None:
        super().__init__(now, span, windows)
        self._known = known
        self._row = 0
        """429s since the last success."""
        self._contradictions = 0
        self._full_at = now
        """Time at which the request was sent that the last episode began with."""
        self._quickest = math.inf
        self._lateness = 0.0
        """Seconds that answers take longer than the quickest, on average."""
        self._accepted = self._rejected = 0
        self._is_unexplained = False
        """A 429 came while the window had room, and not all limits are known."""
        self._closed_at = self._raised_at = now

    @property
    def is_contradicted(self) -> bool:
        """The margin has become too large, or a window with room for more was closed."""
        return self._is_unexplained or self._margin > MAX_MARGIN * self.span

    @property
    def is_estimate(self) -> bool:
        return False

    @property
    def average(self) -> Amounts:
        share = self.span / (self.span + self._margin)
        return self._known[0] * share, self._known[1] * share

    @property
    def _margin(self) -> float:
        return self._windows[0].margin

    @property
    def _step(self) -> float:
        return max(MIN_STEP * self.span, STEP * self._lateness)

    def knows(self, known: Amounts) -> None:
        self._known = known

    def earliest(self, now: float, amounts: Amounts, aside: Amounts, least: Amounts) -> float:
        when, is_full = now, False
        for place, window in enumerate(self._windows):
            window.advance(now)
            room = self._known[place] * self.span * (1 + ROUNDING) - window.used - amounts[place]
            if window.used > 0 and room < aside[place]:
                when = max(when, window.next_expiry(now))
                is_full = is_full or room < 0
        return when if is_full else min(when, now + LOOK_AGAIN_S)

    def answered(self, now: float, sent_at: float, amounts: Amounts, *, is_query: bool, success: bool) -> None:
        if success:
            self._row = 0
            self._accepted += 1
            elapsed = max(0.0, now - sent_at)
            self._quickest = min(self._quickest, elapsed)
            self._lateness += (elapsed - self._quickest - self._lateness) / MEAN_OF
            shrinkage = self._step * SHARE / (1 - SHARE) * max(1.0, (self._accepted / SOON) ** 2)
            margin = max(0.0, self._margin - shrinkage)
            for window in self._windows:
                window.margin = margin
        super().answered(now, sent_at, amounts, is_query=is_query, success=success)

    def is_stray(self, wait: float | None) -> bool:
        return self._row + 1 < IN_A_ROW and (wait is None or wait <= MAX_STRAY_WAIT_S)

    def rejected(self, now: float, sent_at: float) -> None:
        self._row += 1
        self._rejected += 1
        self._explain(now)
        if sent_at > self._raised_at:  # once for all requests that were in flight together
            self._raised_at = now
            share = self._rejected / (self._rejected + self._accepted + DOUBTS)
            self._accepted = self._rejected = 0
            step = self._step if share < OFTEN else max(self._step, OFTEN_STEP * share * self.span)
            for window in self._windows:
                window.widen(step)

    def _explain(self, now: float) -> None:
        used = []
        for window, known in zip(self._windows, self._known, strict=True):
            window.advance(now)
            used.append(window.used / (known * self.span))
        self._is_unexplained = max(used) < NEARLY_FULL and math.inf in self._known

    def closed(self, now: float, episode: Episode) -> None:
        self._explain(now)
        self._full_at = episode.began_at
        self._row = 0
        is_again = now - self._closed_at < CONTRADICTED_SPANS * self.span
        self._contradictions = self._contradictions + 1 if is_again else 1
        self._closed_at = now

    def opened(self, now: float, pause: Pause) -> bool:
        if self.until_room(now) > TOO_SOON * self.span:
            for window in self._windows:
                window.forget(self._full_at + pause.seconds)
        return self._contradictions < CONTRADICTIONS and not self._is_unexplained

    def is_out_of_sight(self, now: float) -> bool:
        return False
