"""When nobody may send: the server has said for how long, or does not answer, and one probe at a time finds out. Pure.

healthy    anybody may send
waiting    until a time that the server has named: nobody
probing    after a 429 without a time, or a row of failures: nobody until a time, then one request, the probe;
           its success ends it, its failure doubles the wait
"""

from __future__ import annotations

import math

FIRST_S = 0.5
"""Before the first probe; doubled each time."""
LONGEST_S = 5.0
"""Between probes at most: a quota may come back at any moment of a minute, and one probe costs a server nothing."""
OUTAGE_FAILURES = 10
"""Failures in a row, of any requests of the account, after which the server is taken for down."""
GIVE_UP_AFTER_S = 90.0
"""Without a success, after which waiting is given up. The longest quota that is not a day's refills in a minute."""
GIVE_UP_ANNOUNCED_AFTER_S = 900.0
"""The same where the server answers, each time, when to come back: it may keep its word in a quarter of an hour."""


class Backoff:
    """Nobody sends before ``until``; while ``probing`` one request may, and its outcome decides."""

    def __init__(self) -> None:
        self.until = -math.inf
        self.wait = 0.0
        """Seconds before the next probe; 0 while none is needed."""
        self._began = -math.inf
        self._last_success = -math.inf
        self._silent_since: float | None = None
        """The last success before, or the first failure if that was long ago; ``None`` while the server is healthy."""
        self._failures = 0
        self._first_until = -math.inf
        """The first time that the server has named since the last success: it may be long, and is kept."""
        self._announced = False
        """The last word of the server was when to come back."""

    @property
    def probing(self) -> bool:
        return self.wait > 0

    def began_before(self, sent_at: float) -> bool:
        """A request sent then says something new."""
        return sent_at > self._began

    def silent(self, now: float) -> float:
        """Seconds since the last success, while the server fails."""
        return 0.0 if self._silent_since is None else max(0.0, now - self._silent_since)

    def gives_up_at(self) -> float:
        """When those who wait are given up, if nothing succeeds until then."""
        if self._silent_since is None:
            return math.inf
        if self._announced:
            return max(self._silent_since + GIVE_UP_ANNOUNCED_AFTER_S, self._first_until)
        return self._silent_since + GIVE_UP_AFTER_S

    def answered(self, now: float, sent_at: float, *, ends: bool = True) -> None:
        """A success; or an error that shows a healthy server. One of a request sent earlier does not end a backoff.

        ``ends``: it does not, either, if it says little of whether other requests would succeed.
        """
        self._failures = 0
        self._last_success = now
        if sent_at > self._began:
            self.wait = 0.0 if ends else self.wait
            self._silent_since = None
            self._announced = False

    def announced(self, now: float, wait: float, sent_at: float, *, probe: bool) -> None:
        """The server has said when to come back; ``probe``: and one request shall see whether it keeps its word."""
        self._announced = True
        if sent_at > self._began:
            if self._silent_since is None:
                self._first_until = now + wait
            self._be_silent(now, sent_at)
            if self.probing:  # it has not kept its word
                self.wait = min(LONGEST_S, 2 * self.wait)
                wait = max(wait, self.wait)
            elif probe:
                self.wait = FIRST_S
            self._began = now
        self.until = max(self.until, now + wait)

    def unannounced(self, now: float, sent_at: float, *, is_probe: bool, wait: float = 0.0) -> None:
        """A 429 without a time, or one failure too many; ``wait``: the next success is not expected sooner."""
        if not is_probe and (self.probing or sent_at <= self._began):
            return  # it was in flight when the backoff began
        self._be_silent(now, sent_at)
        self._announced = False
        self.wait = min(LONGEST_S, max(FIRST_S, 2 * self.wait))
        longest = max(self.gives_up_at() - now, 0.0)  # the last probe is sent in the last moment
        self.until = max(self.until, now + (min(max(self.wait, wait), longest) if longest else self.wait))
        self._began = now

    def failed(self, now: float, sent_at: float, *, is_probe: bool) -> None:
        """No answer, or a server's error. Enough of them in a row are an outage."""
        self._failures += 1
        if is_probe or self._failures >= OUTAGE_FAILURES:
            self.unannounced(now, sent_at, is_probe=is_probe)
        else:
            self._be_silent(now, sent_at)

    def _be_silent(self, now: float, sent_at: float) -> None:
        """Silence counts from the last success. If nobody has asked for long, it counts from the request that did."""
        if self._silent_since is None:
            recent = sent_at - self._last_success < GIVE_UP_AFTER_S
            self._silent_since = self._last_success if recent else sent_at
        elif now - max(self.until, self._began) > GIVE_UP_AFTER_S:
            self._silent_since = sent_at
