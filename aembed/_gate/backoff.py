"""Backoff and circuit breaker: pauses in which no request is sent, and single probes that end them. Pure.

healthy    requests are sent
waiting    no request until the time that Retry-After names
probing    after a 429 without Retry-After, or a row of failures: no request until a time, then a single one, the probe;
           its success ends the backoff, its failure doubles the wait
"""

from __future__ import annotations

import math

FIRST_PROBE_WAIT_S = 0.5
"""Seconds before the first probe; doubled each time."""
MAX_PROBE_WAIT_S = 5.0
"""Longest time between probes: a quota may refill at any moment of a minute, and one probe costs a server nothing."""
OUTAGE_FAILURES = 10
"""Consecutive failures of requests of the account that open the circuit breaker."""
SLOW_OUTAGE_FAILURES, SLOW_OUTAGE_S = 4, 2.0
"""The same where requests are few, and seconds without a success: a batch may have five attempts in all."""
GIVE_UP_AFTER_S = 90.0
"""Seconds without a success after which waiting calls fail. The longest quota but a day's refills in a minute."""
GIVE_UP_ANNOUNCED_AFTER_S = 900.0
"""The same where each 429 has a Retry-After: a server that names times may open within a quarter of an hour."""


class Backoff:
    """No request is sent before ``until``; while ``probing``, a single one is, and its outcome decides."""

    def __init__(self) -> None:
        self.until = -math.inf
        self.wait = 0.0
        """Seconds before the next probe; 0 while none is needed."""
        self._began = -math.inf
        self.is_answered = False
        """A request that was sent since the backoff began has succeeded."""
        self._last_success = self._last_failed = -math.inf
        self._silent_since: float | None = None
        """Time of the last success, or of the first failure if that success was long ago; ``None`` while healthy."""
        self._failures = 0
        self._first_until = -math.inf
        """End of the first Retry-After since the last success; no call is given up before it, however long it is."""
        self._announced = False
        """The last 429 had a Retry-After."""

    @property
    def probing(self) -> bool:
        return self.wait > 0

    def began_before(self, sent_at: float) -> bool:
        """True if the backoff began before ``sent_at``: only such a request shows something new."""
        return sent_at > self._began

    def silent(self, now: float) -> float:
        """Seconds since the last success, while the server fails."""
        return 0.0 if self._silent_since is None else max(0.0, now - self._silent_since)

    def gives_up_at(self) -> float:
        """Time at which waiting calls fail, if nothing succeeds before it."""
        if self._silent_since is None:
            return math.inf
        if self._announced:
            return max(self._silent_since + GIVE_UP_ANNOUNCED_AFTER_S, self._first_until)
        asked_to_wait = self._first_until  # until its Retry-After the server was not asked
        return max(self._silent_since, asked_to_wait) + GIVE_UP_AFTER_S

    def answered(self, now: float, sent_at: float, *, ends: bool = True) -> None:
        """Note a success, or an error of a healthy server. It ends a backoff only if it was sent after that began.

        ``ends`` is False for a success that does not show that other requests would succeed.
        """
        self._failures = 0
        self._last_success = now
        if sent_at > self._began:
            self.wait = 0.0 if ends else self.wait
            self.is_answered = True
            self._silent_since = None
            self._announced = False

    def announced(self, now: float, wait: float, sent_at: float, *, probe: bool) -> None:
        """Note a Retry-After. ``probe``: after it a single request finds out whether the server is open."""
        self._announced = True
        if sent_at > self._began:
            if self._silent_since is None:
                self._first_until = now + wait
            self._be_silent(now, sent_at)
            if self.probing:  # the server was still closed after the last Retry-After
                self.wait = min(MAX_PROBE_WAIT_S, 2 * self.wait)
                wait = max(wait, self.wait)
            elif probe:
                self.wait = FIRST_PROBE_WAIT_S
            self._begin(now)
        self.until = max(self.until, now + wait)

    def unannounced(self, now: float, sent_at: float, *, is_probe: bool, wait: float = 0.0) -> None:
        """Note a 429 without Retry-After, or one failure too many. ``wait``: seconds until a success is likely."""
        if not is_probe and (self.probing or sent_at <= self._began):
            return  # it was in flight when the backoff began
        self._be_silent(now, sent_at)
        self._announced = False
        self.wait = min(MAX_PROBE_WAIT_S, max(FIRST_PROBE_WAIT_S, 2 * self.wait))
        longest = max(self.gives_up_at() - now, 0.0)  # the last probe is sent in the last moment
        self.until = max(self.until, now + (min(max(self.wait, wait), longest) if longest else self.wait))
        self._begin(now)

    def failed(self, now: float, sent_at: float, *, is_probe: bool) -> None:
        """Note a missing answer or a server error; a row of them is an outage."""
        self._failures += 1
        self._be_silent(now, sent_at)
        is_slow_outage = self._failures >= SLOW_OUTAGE_FAILURES and self.silent(now) >= SLOW_OUTAGE_S
        if is_probe or is_slow_outage or self._failures >= OUTAGE_FAILURES:
            self.unannounced(now, sent_at, is_probe=is_probe)

    def _begin(self, now: float) -> None:
        self._began = now
        self.is_answered = False

    def _be_silent(self, now: float, sent_at: float) -> None:
        """Silence counts from the last success or, if nothing was asked for some time, from the next request."""
        if self._silent_since is None:
            follows = sent_at - self._last_success <= MAX_PROBE_WAIT_S
            self._silent_since = self._last_success if follows else sent_at
        elif sent_at - max(self.until, self._last_failed) > GIVE_UP_AFTER_S:
            self._silent_since = sent_at
        self._last_failed = now
