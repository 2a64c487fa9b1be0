"""When nobody may send: the server has said how long, or does not answer, and then one at a time tries. Pure."""

from __future__ import annotations

import math

FIRST, LONGEST = 0.5, 30.0
"""Seconds of silence after the first refusal that does not say how long to wait, and at most; doubled each time."""
OUTAGE = 10
"""Failures in a row, of any request of the account, after which the server is taken for down."""
HOPELESS = 6
"""Probes in a row that failed, after which waiting is given up: about half a minute of silence."""


class Pause:
    """``until`` nobody sends; while ``probing`` one request may, the probe, and its outcome decides."""

    def __init__(self) -> None:
        self.until = -math.inf
        self.silence = 0.0
        """Seconds before the next probe; 0 while the server answers."""
        self.failed_probes = 0
        self._failures = 0

    @property
    def probing(self) -> bool:
        return self.silence > 0

    @property
    def hopeless(self) -> bool:
        return self.failed_probes >= HOPELESS

    def answered(self) -> None:
        self.silence = 0.0
        self.failed_probes = self._failures = 0

    def told(self, now: float, wait: float) -> None:
        """The server has said when to come back."""
        self.until = max(self.until, now + wait)

    def untold(self, now: float, *, probe: bool) -> bool:
        """A refusal without a word on time. True if it is news: the probe's, or the first after answers."""
        if self.probing and not probe:
            return False  # it was under way when the pause began
        self.silence = min(LONGEST, max(FIRST, 2 * self.silence))
        self.until = max(self.until, now + self.silence)
        return True

    def failed(self, now: float, *, probe: bool) -> None:
        """No answer, or a server's error. Enough of them in a row are an outage."""
        self._failures += 1
        if probe:
            self.failed_probes += 1
        if probe or self._failures == OUTAGE:
            self.untold(now, probe=probe)
