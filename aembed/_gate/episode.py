"""Episodes of 429s: the amounts that a server admitted between two of them, and the times. Pure.

An episode begins with the first request that is rejected although it was sent after the last backoff began, and ends
with the first success after that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from aembed._gate.reservation import Reservation

AdmittedAmounts: TypeAlias = tuple[float, float]
"""Requests and tokens."""
Suspects: TypeAlias = tuple[bool, bool]
"""Requests and tokens: the resources that a 429 may concern, as far as headers do not show room."""
ALL_SUSPECTS: Suspects = True, True

MAX_IDLE_S = 60.0
"""Seconds without a request after which every window of a minute is empty."""
SMALL_SUCCESS_SHARE = 0.1
"""Share of a rejected request's tokens below which a success does not end the episode: it may have fitted alone."""
NEARLY_FULL_SHARE = 0.8
"""Share of the amounts admitted before the last closure from which on a full window may be near."""
QUIET_PERIOD_S = 10.0
"""Seconds without a 429 after which any success ends an episode: by then two probes have been sent."""


@dataclass(frozen=True, slots=True)
class Episode:
    """``admitted`` in the ``seconds`` before the episode. ``from_full``: the server was full when those began, too."""

    began_at: float
    """Time at which its first request was sent: the server was full."""
    admitted: AdmittedAmounts
    seconds: float
    from_full: bool
    paused: float
    """Part of the ``seconds`` that belongs to the last episode, without requests."""
    minute: AdmittedAmounts
    """Admitted in the minute before it, or in ``minute_seconds`` if requests began later."""
    minute_seconds: float
    burst: float
    """Seconds from the first success after the last episode."""
    rejected: AdmittedAmounts
    """Amounts of its first request."""


@dataclass(frozen=True, slots=True)
class Pause:
    """End of an episode: the server was ``closed`` for at least so long, and open again after ``seconds``."""

    closed: float
    seconds: float
    admitted: AdmittedAmounts
    """Amounts sent since the opening before, in any order of arrival."""


class Episodes:
    """Counter of admitted amounts; it measures episodes and pauses."""

    def __init__(self) -> None:
        self.admitted: AdmittedAmounts = 0.0, 0.0
        """All that was ever sent and not rejected."""
        self.current: Episode | None = None
        self._before: AdmittedAmounts = 0.0, 0.0
        """``admitted`` when the server was opened before this episode."""
        self._first: tuple[float, AdmittedAmounts] | None = None
        """Time of the first request after the last episode, and ``admitted`` at that time."""
        self._last: Episode | None = None
        """The last one that has ended."""
        self._suspects = ALL_SUSPECTS
        self._full_at = self._closed_until = -math.inf
        self._last_sent = -math.inf
        self._rejected_at = self._paused = self._rejected_tokens = 0.0
        self._small_tokens = 0.0
        """Tokens of small successes since the last 429."""

    def sent(self, now: float, reservation: Reservation) -> None:
        if now - self._last_sent > MAX_IDLE_S:
            self._first, self._full_at = (now, self.admitted), -math.inf
        elif self._first is None:
            self._first = now, self.admitted
        self._last_sent = now
        reservation.admitted = requests, tokens = self.admitted
        self.admitted = requests + reservation.requests, tokens + reservation.tokens

    def corrected(self, tokens: float) -> None:
        """A request has so many more tokens."""
        self.admitted = self.admitted[0], self.admitted[1] + tokens

    def rejected(self, requests: float, tokens: float) -> None:
        """A request did not count."""
        self.admitted = self.admitted[0] - requests, self.admitted[1] - tokens

    def begin(self, edge: Reservation, minute: AdmittedAmounts, seconds: float, suspects: Suspects) -> Episode:
        """Begin with the 429 to ``edge``. ``minute``: amounts sent in the last ``seconds``, a minute at most."""
        at, admitted = edge.sent_at, edge.admitted
        first_at, before = self._first or (at, admitted)
        self._before = before
        from_full = self._full_at > -math.inf
        self.current = Episode(
            began_at=at,
            admitted=(max(0.0, admitted[0] - before[0]), max(0.0, admitted[1] - before[1])),
            seconds=max(0.0, at - (self._full_at if from_full else first_at)),
            from_full=from_full,
            paused=self._paused if from_full else 0.0,
            minute=minute,
            minute_seconds=seconds,
            burst=max(0.0, at - first_at),
            rejected=(edge.requests, edge.tokens),
        )
        self._suspects = suspects
        self._full_at = self._closed_until = at
        self._rejected_tokens = 0.0
        return self.current

    def nears_closure(self, now: float) -> bool:
        """True if about as much was admitted since the last opening as before the last closure."""
        last = self._last
        if last is None or self.current is not None or self._first is None:
            return False
        opened_at, before = self._first
        if last.burst > MAX_IDLE_S or now - opened_at > MAX_IDLE_S:
            return False  # so long a time shows a rate, and no content of a window
        return any(
            is_suspect and held > 0 and total - first >= NEARLY_FULL_SHARE * held
            for is_suspect, held, total, first in zip(self._suspects, last.admitted, self.admitted, before, strict=True)
        )

    def goes_on(self, now: float, rejected: Reservation, until: float) -> None:
        """Note that the server is closed until then at least, by Retry-After or by a 429 to a request sent then."""
        self._closed_until = max(self._closed_until, until)
        self._rejected_at = now
        self._small_tokens = 0.0
        self._rejected_tokens = max(self._rejected_tokens, rejected.estimate)

    def ends_with(self, now: float, success: Reservation) -> bool:
        """True if a success ends the episode; a small one may have fitted where the rejected request does not."""
        if success.tokens >= SMALL_SUCCESS_SHARE * self._rejected_tokens or now - self._rejected_at > QUIET_PERIOD_S:
            return self.current is not None
        self._small_tokens += success.tokens
        return self.current is not None and self._small_tokens >= self._rejected_tokens

    def end(self, success: Reservation) -> tuple[Episode, Pause]:
        episode = self.current
        assert episode is not None, "an episode ends once"
        self.current, self._last = None, episode
        self._first = success.sent_at, success.admitted
        at = episode.began_at
        # A Retry-After may end later than the server opens: the success shows that it was open by then.
        closed = min(self._closed_until, success.sent_at) - at
        self._paused = max(0.0, success.sent_at - at)
        requests, tokens = (max(0.0, a - b) for a, b in zip(success.admitted, self._before, strict=True))
        return episode, Pause(closed, self._paused, (requests, tokens))
