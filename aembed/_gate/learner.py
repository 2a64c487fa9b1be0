"""Finds a limit that the server keeps to itself, from what it admits between two refusals. Pure.

Between two refusals a bucket goes from empty to empty, so what was admitted meanwhile over the time it took is its
rate, whatever its size. A window refuses everything until its oldest requests leave it; a bucket would long have let a
probe in. Which of the two it is decides how the limit is used. What works is then exceeded a little, so that a limit
that was guessed too low, or was raised, is found.
"""

from __future__ import annotations

import math

from aembed._gate.resource import Entry, Resource
from aembed._gate.window import WINDOW

UPWARD = 1.02
"""How much more than what is known to work is tried."""
LEAST_LEFT = 0.8
"""What a refusal leaves of a measured rate, at least: after a rest little was admitted, which says little."""
LEAST_SEEN = 3.0
"""Requests admitted before the first refusal, for it to say anything about a limit."""
SURELY_REFILLED = 3.0
"""Requests a bucket would have refilled, when a refused probe proves that it is none."""
LONG_WAIT = 5.0
"""Seconds. A shorter Retry-After may be rounded up, and proves nothing."""
PATIENCE = 100
"""Answers without a refusal after which the guess is raised."""
LONGEST_PATIENCE = 32
"""Windows, at most, before a window's guess is raised again: each that proves wrong doubles the time to the next."""


class Learner:
    """Sets the limit of ``requests`` where replies do not tell it. Knows nothing until the first refusal."""

    def __init__(self, requests: Resource) -> None:
        self._requests = requests
        self._started: float | None = None
        self._edge: Entry | None = None
        """The first request of the last refusals: when it was sent, the quota was used up."""
        self._probe: Entry | None = None
        """The first request sent after them: by then all others had come back, and were counted right."""
        self._used_up = 0.0
        self._rate = 0.0
        """Requests a second, as measured between refusals; before that, at least so many."""
        self._measured = False
        self._burst_share = 1.0
        """Of a minute's quota that the bucket has shown to hold."""
        self._calm = 0
        self._step = UPWARD
        self._windows = 1

    def sent(self, entry: Entry, now: float) -> None:
        if self._started is None:
            self._started = now
        if self._edge is not None and self._probe is None:
            self._probe = entry
            self._used_up = self._requests.used - entry.amount

    def answered(self) -> None:
        """A request was let in. After a while without refusals guess higher, and ever more so."""
        if self._edge is None or self._requests.told or (limit := self._requests.limit) is None:
            return
        self._calm += 1
        is_bucket = self._requests.rule == "bucket"
        if self._calm >= (PATIENCE if is_bucket else max(PATIENCE, limit * self._windows)):
            self._calm = 0
            self._requests.set_limit(limit * self._step)
            if is_bucket:
                self._requests.use_as_bucket(self._burst_share * self._requests.capacity)
            elif self._requests.rule == "window":
                self._requests.use_as_window()
            self._step = 1 + 2 * (self._step - 1) if is_bucket else UPWARD

    def refused(self, entry: Entry, now: float, wait: float | None) -> None:
        """The first refusal after answers: the quota is used up, for ``wait`` seconds if the server has said so."""
        requests = self._requests
        if requests.told:
            return
        self._calm, self._step = 0, UPWARD
        previous, self._edge = self._edge, entry
        probe, self._probe = self._probe, None
        if requests.rule == "window":
            self._windows = min(LONGEST_PATIENCE, 2 * self._windows)
            self._set_window(requests.used, now)
            return
        if previous is None or probe is None:
            took = min(WINDOW, max(1.0, entry.sent_at - (self._started or 0.0)))
            self._rate = max(1.0, requests.used) / (WINDOW + took)
            if requests.used >= LEAST_SEEN:  # rather too much than too little: the next refusal then measures it
                self._set_bucket(requests.used / took * WINDOW, now)
        else:
            admitted = max(1.0, entry.admitted - probe.admitted)
            least = LEAST_LEFT * self._rate if self._measured else 0.0
            rate = admitted / max(entry.sent_at - previous.sent_at, 1.0)
            if rate < least:
                self._burst_share /= 2  # a rest did not save up as much as it should have
            self._rate = max(rate, least)
            self._measured = True
            self._set_bucket(self._rate * UPWARD * WINDOW, now)
        if wait is not None and wait > LONG_WAIT and wait * self._rate >= SURELY_REFILLED:
            self._set_window(requests.used, now)

    def probe_refused(self, now: float) -> None:
        """Refused again after a wait. If a bucket would have refilled by now, it is a window, and this is its size."""
        if self._edge is None or self._requests.told:
            return
        if self._requests.rule == "window" or (now - self._edge.sent_at) * self._rate >= SURELY_REFILLED:
            self._set_window(self._used_up, now)

    def _set_bucket(self, per_minute: float, now: float) -> None:
        """It is a bucket, empty now."""
        requests = self._requests
        requests.advance(now)
        if requests.rule != "bucket":
            self._burst_share = 1.0
        requests.set_limit(per_minute)
        requests.use_as_bucket(self._burst_share * requests.capacity)
        requests.level = min(requests.level, 0.0) if math.isfinite(requests.level) else 0.0

    def _set_window(self, used: float, now: float) -> None:
        """It is a window that lets in this much, full or about to open again."""
        requests = self._requests
        requests.advance(now)
        least = LEAST_LEFT * requests.capacity if requests.rule == "window" else 1.0
        requests.set_limit(max(used, least))
        requests.use_as_window()
        requests.level = requests.burst
