"""The margin of a known window: seconds beyond its span for which requests count. Pure.

Requests overtake each other on their way, so that the server sees them closer together than they were sent. A 429
widens the margin and answers narrow it, so that it settles where a few requests in a hundred get a 429.
"""

from __future__ import annotations

import math

from aembed._gate.even_rate import PRIOR_ANSWERS

REJECTED_SHARE = 0.04
"""Share of 429s at which the margin stays as it is."""
STEP_LATENESS_SHARE = 0.25
"""Share of the usual lateness of an answer that a 429 adds to the margin."""
MIN_STEP_SHARE = 0.001
"""Smallest widening, as a share of the span."""
RUN_SUCCESSES = 1.5 / REJECTED_SHARE
"""Consecutive successes after which it shrinks faster, with their square; most runs are shorter: 25 on average."""
FREQUENT_SHARE, FREQUENT_STEP_SHARE = 0.1, 0.25
"""Share of 429s from which on the margin grows by a quarter of that share of the span: jitter is not the cause."""
MEAN_ANSWERS = 16.0
"""Number of answers that the mean lateness covers, about."""
MAX_MARGIN_SHARE = 0.5
"""Largest margin as a share of the span; a server that needs more has no such window."""


class Margin:
    """The margin of a window of ``span`` seconds."""

    def __init__(self, now: float, span: float) -> None:
        self.seconds = 0.0
        self._span = span
        self._widened_at = now
        self._quickest = math.inf
        self._lateness = 0.0
        """Seconds that answers take longer than the quickest, on average."""
        self._accepted = self._rejected = 0
        """Answers since it was widened."""

    @property
    def is_too_large(self) -> bool:
        return self.seconds > MAX_MARGIN_SHARE * self._span

    @property
    def speed(self) -> float:
        """Share of the known rate that the margin leaves."""
        return self._span / (self._span + self.seconds)

    def accepted(self, elapsed: float) -> None:
        """Note a success, ``elapsed`` seconds after it was sent."""
        self._accepted += 1
        elapsed = max(0.0, elapsed)
        self._quickest = min(self._quickest, elapsed)
        self._lateness += (elapsed - self._quickest - self._lateness) / MEAN_ANSWERS
        faster = max(1.0, (self._accepted / RUN_SUCCESSES) ** 2)
        self.seconds = max(0.0, self.seconds - self._step * REJECTED_SHARE / (1 - REJECTED_SHARE) * faster)

    def rejected(self, now: float, sent_at: float) -> float:
        """Widen it, once for all requests that were in flight together. Returns by how many seconds."""
        self._rejected += 1
        if sent_at <= self._widened_at:  # it was sent with the narrower margin
            return 0.0
        share = self._rejected / (self._rejected + self._accepted + PRIOR_ANSWERS)
        step = self._step if share < FREQUENT_SHARE else max(self._step, FREQUENT_STEP_SHARE * share * self._span)
        self._widened_at, self._accepted, self._rejected = now, 0, 0
        self.seconds += step
        return step

    @property
    def _step(self) -> float:
        return max(MIN_STEP_SHARE * self._span, STEP_LATENESS_SHARE * self._lateness)
