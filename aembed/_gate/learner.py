"""Finds a limit that the server keeps to itself, from what it admits between two refusals. Pure.

Between two refusals a bucket goes from empty to empty, so what was admitted meanwhile over the time it took is its
rate, whatever its size. A window refuses everything until its oldest requests leave it; a bucket would long have let a
probe in. Which of the two it is decides how the limit is used. What works is then exceeded a little, so that a limit
that was guessed too low, or was raised, is found.
"""

from __future__ import annotations

import math

from aembed._gate.resource import Entry, Resource
from aembed._gate.shortage import Amounts, Shortage
from aembed._gate.window import WINDOW

UPWARD = 1.02
"""How much more than what is known to work is tried."""
LEAST_LEFT = 0.8
"""What a refusal leaves of a measured rate, at least: after a rest little was admitted, which says little."""
LEAST_SEEN = 3.0
"""Requests admitted before the first refusal, for it to say anything about a limit."""
LEAST_ELAPSED = 0.5
"""Seconds between two refusals, at least, for a rate. One that is too high is soon put right, and too low is not."""
SURELY_REFILLED = 3.0
"""Requests a bucket would have refilled, when a refused probe proves that it is none."""
LONG_WAIT = 5.0
"""Seconds. A shorter Retry-After may be rounded up, and proves nothing."""
PATIENCE = 100
"""Answers without a refusal after which the guess is raised."""
LONGEST_PATIENCE = 32
"""Windows, at most, before a window's guess is raised again: each that proves wrong doubles the time to the next."""

Entries = tuple[Entry, Entry]
"""Of one request: its requests and its tokens."""


class Learner:
    """Sets the limit of whichever is short where replies do not tell it. Knows nothing until the first refusal."""

    def __init__(self, requests: Resource, tokens: Resource) -> None:
        self._requests = requests
        self._shortage = Shortage(requests, tokens)
        self._started: float | None = None
        self._edge: Entries | None = None
        """The first request of the last refusals: when it was sent, the quota was used up."""
        self._probe: Entries | None = None
        """The first request sent after them: by then all others had come back, and were counted right."""
        self._used_up: Amounts = 0.0, 0.0
        self._rates: Amounts = 0.0, 0.0
        """Units a second, as measured between refusals; before that, at least so many."""
        self._measured = False
        self._burst_share = 1.0
        """Of a minute's quota that the bucket has shown to hold."""
        self._calm = 0
        self._step = UPWARD
        self._windows = 1
        self._in_window = 0.0
        """Requests that a window let in."""

    def sent(self, entries: Entries, now: float) -> None:
        if self._started is None:
            self._started = now
        if self._edge is not None and self._probe is None:
            self._probe = entries
            requests, tokens = self._shortage.used()
            self._used_up = requests - entries[0].amount, tokens - entries[1].amount

    def answered(self) -> None:
        """A request was let in. After a while without refusals guess higher, and ever more so."""
        if self._edge is None:
            return
        resource = self._shortage.of
        if resource.told or resource.limit is None:
            return
        if (let_in := self._shortage.try_other()) is not None:
            self._use_window(let_in)
            return
        self._calm += 1
        if self._calm >= self._patience():
            self._calm = 0
            resource.set_limit(resource.limit * self._step)
            self._step = 1 + 2 * (self._step - 1)
            if resource.rule == "bucket":
                resource.use_as_bucket(self._burst_share * resource.capacity)
            elif resource.rule == "window":
                resource.use_as_window()

    def refused(self, entries: Entries, now: float, wait: float | None) -> None:
        """The first refusal after answers: the quota is used up, for ``wait`` seconds if the server has said so."""
        if self._shortage.of.told:
            return
        self._calm, self._step = 0, UPWARD
        previous, self._edge = self._edge, entries
        probe, self._probe = self._probe, None
        if self._shortage.of.rule == "window":
            self._windows = min(LONGEST_PATIENCE, 2 * self._windows)
            self._set_window(self._shortage.used(), now)
            return
        if previous is None or probe is None:
            self._guess(entries[0], now)
        else:
            elapsed = max(entries[0].sent_at - previous[0].sent_at, LEAST_ELAPSED)
            self._measure(entries, probe, elapsed, now)
        if wait is not None and wait > LONG_WAIT and wait * self._rates[0] >= SURELY_REFILLED:
            self._set_window(self._shortage.used(), now)

    def probe_refused(self, now: float) -> None:
        """Refused again after a wait. If a bucket would have refilled by now, it is a window, and this is its size."""
        if self._edge is None or self._shortage.of.told:
            return
        since = now - self._edge[0].sent_at
        if self._shortage.of.rule == "window" or since * self._rates[0] >= SURELY_REFILLED:
            self._set_window(self._used_up, now)

    def _patience(self) -> float:
        """Answers before the guess is raised. Once a higher one has proved right, a window is enough."""
        if self._shortage.of.rule == "bucket":
            return PATIENCE
        return max(PATIENCE, self._in_window * (self._windows if self._step == UPWARD else 1))

    def _guess(self, edge: Entry, now: float) -> None:
        """At the first refusal: rather too much than too little, for the next then measures it."""
        used, which = self._shortage.used(), self._shortage.which
        took = min(WINDOW, max(1.0, edge.sent_at - (self._started or 0.0)))
        self._rates = max(1.0, used[0]) / (WINDOW + took), max(1.0, used[1]) / (WINDOW + took)
        if used[0] >= LEAST_SEEN:
            self._set_bucket(used[which] / took * WINDOW, now)

    def _measure(self, edge: Entries, probe: Entries, elapsed: float, now: float) -> None:
        """From empty to empty."""
        rates = [max(1.0, e.admitted - p.admitted) / elapsed for e, p in zip(edge, probe, strict=True)]
        self._shortage.weigh("bucket", (rates[0], rates[1]))
        which = self._shortage.which
        if self._measured and rates[which] < (least := LEAST_LEFT * self._rates[which]):
            rates[which] = least
            self._burst_share /= 2  # a rest did not save up as much as it should have
        self._rates = rates[0], rates[1]
        self._measured = True
        self._set_bucket(rates[which] * UPWARD * WINDOW, now)

    def _set_bucket(self, per_minute: float, now: float) -> None:
        """It is a bucket, empty now."""
        resource = self._shortage.of
        resource.advance(now)
        if resource.rule != "bucket":
            self._burst_share = 1.0
        resource.set_limit(per_minute)
        resource.guessed = True
        resource.use_as_bucket(self._burst_share * resource.capacity)
        resource.level = min(resource.level, 0.0) if math.isfinite(resource.level) else 0.0

    def _set_window(self, used: Amounts, now: float) -> None:
        """It is a window that lets in this much, full or about to open again."""
        self._shortage.weigh("window", used)
        resource = self._shortage.of
        resource.advance(now)
        least = LEAST_LEFT * resource.capacity if resource.rule == "window" else 1.0
        self._use_window(max(used[self._shortage.which], least))
        self._in_window = used[0]

    def _use_window(self, per_minute: float) -> None:
        resource = self._shortage.of
        resource.set_limit(per_minute)
        resource.guessed = True
        resource.use_as_window()
        resource.level = resource.burst
