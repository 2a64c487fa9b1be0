"""When nobody may send: the server has said how long, or does not answer, and then one at a time tries. Pure."""

from __future__ import annotations

import math

FIRST = 0.5
"""Seconds of silence after the first refusal that does not say how long to wait; doubled each time."""
LONGEST_REFUSED, LONGEST_DOWN = 5.0, 30.0
"""Seconds of silence at most: a quota may come back at any moment of the next minute; a server that is down may not."""
SHORTEST = 0.1
"""Seconds of silence even if the server says that none are needed: it has just refused."""
OUTAGE = 10
"""Failures in a row, of any request of the account, after which the server is taken for down."""
HOPELESS = 90.0
"""Seconds without an answer, after which waiting is given up. The longest quota known refills in a minute."""


class Pause:
    """``until`` nobody sends; while ``probing`` one request may, the probe, and its outcome decides."""

    def __init__(self) -> None:
        self.until = -math.inf
        self.silence = 0.0
        """Seconds before the next probe; 0 while the server answers."""
        self._began = -math.inf
        self._silent_since = math.inf
        self._failures = 0

    @property
    def probing(self) -> bool:
        return self.silence > 0

    def hopeless(self, now: float) -> bool:
        """The server has been silent for too long, and is not to be asked at this moment."""
        return self.until > now and self.until - self._silent_since > HOPELESS

    def silent(self, now: float) -> float:
        """Seconds since the server began to fail."""
        return max(0.0, now - self._silent_since)

    def answered(self, sent_at: float) -> None:
        """An answer to a request sent before the pause says nothing about its end."""
        self._failures = 0
        if sent_at > self._began:
            self.silence = 0.0
            self._silent_since = math.inf

    def told(self, now: float, wait: float, sent_at: float) -> bool:
        """The server has said when to come back. True if it is news: it was sent after the last pause began."""
        news = sent_at > self._began
        self._begin(now, max(wait, SHORTEST))
        return news

    def untold(self, now: float, sent_at: float, *, probe: bool, longest: float = LONGEST_REFUSED) -> bool:
        """A refusal without a word on time. True if it is news: the probe's, or the first after answers."""
        if not probe and (self.probing or sent_at <= self._began):
            return False  # it was under way when the pause began
        nobody_asked = now - self.until > HOPELESS
        self._silent_since = now if nobody_asked else min(self._silent_since, now)
        self.silence = min(longest, max(FIRST, 2 * self.silence))
        self._begin(now, self.silence)
        return True

    def failed(self, now: float, sent_at: float, *, probe: bool) -> None:
        """No answer, or a server's error. Enough of them in a row are an outage."""
        self._failures += 1
        if probe or self._failures >= OUTAGE:
            self.untold(now, sent_at, probe=probe, longest=LONGEST_DOWN)

    def _begin(self, now: float, wait: float) -> None:
        self.until = max(self.until, now + wait)
        self._began = now
