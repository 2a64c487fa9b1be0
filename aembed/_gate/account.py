"""Knowledge of an account's server: its quotas, its backoff, its capacity. Pure: every method gets the time.

Each request ends as a success, a 429, a failure, or with nothing since it was cancelled; the account learns from each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aembed._errors import (
    AembedError,
    ConnectError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    ReplyError,
)
from aembed._gate.backoff import Backoff
from aembed._gate.budget import RetryBudget
from aembed._gate.bypass import Bypass
from aembed._gate.concurrency import AdaptiveConcurrency
from aembed._gate.lanes import Amounts
from aembed._gate.quotas import Quotas
from aembed._gate.reservation import PausedBeyondDeadline, Reservation
from aembed._gate.slow_start import SlowStart
from aembed._settings.policies import Limits
from aembed._types import Kind, ModelSpec, Reply

MAX_RETRY_AFTER_S = 7 * 86_400.0
"""Longest Retry-After that is believed: no quota lasts longer than a week, so a longer one is a mistake."""
DAY_QUOTA_PAUSE_S = 3600.0
"""Pause after a day's quota is used up, if the server names none: it ends at midnight, in an unknown time zone."""

MAX_WAIT_FOR_LIMITS_S = 3600.0
"""Longest wait for a limit without a Retry-After; a longer one can only mean a day's quota."""
LATENCY_DECAY_FACTOR = 0.99
"""Factor on the longest latency at each success: after some hundred answers it is forgotten."""


class Account:
    """``per_input``: the provider's request quota counts every text of a request."""

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool, per_input: bool) -> None:
        self.concurrency = AdaptiveConcurrency(slots, adaptive=adaptive)
        self.quotas = Quotas(limits)
        self.backoff = Backoff()
        self.bypass = Bypass()
        self.budget = RetryBudget()
        self.successes = self.rejections = 0
        self.slow_start = SlowStart()
        self._per_input = per_input
        self._latency = 0.0
        """Seconds of the slowest recent answers, about."""
        self._last_failure = ""
        """Kind and status of the last failure, without its message, which may concern another model or request."""
        self._used_up = ""
        """"day" if the last 429 named the quota of a day."""

    def set_limits(self, limits: Limits) -> None:
        """Apply new limits of the user; requests that were sent stay counted."""
        if limits.max_concurrency is not None:
            self.concurrency = AdaptiveConcurrency(limits.max_concurrency, adaptive=self.concurrency.adaptive)
        self.quotas.state(limits)

    @property
    def is_down(self) -> bool:
        """True while every request fails: single probes test whether the server works again."""
        return self.backoff.probing

    @property
    def slots(self) -> int:
        """Requests allowed in flight at once."""
        begun, most = int(self.slow_start.requests), self.concurrency.slots
        return begun if begun < most else most

    def fitted(self, spec: ModelSpec) -> ModelSpec:
        """``spec`` with no larger batches than the quotas take."""
        return self.quotas.fitted(spec, per_input=self._per_input)

    def reservation(self, kind: Kind, texts: Sequence[str], patience: float, owner: object) -> Reservation:
        """The amounts that a request needs. Tokens always count: their quota may be known by the time it is sent."""
        inputs = len(texts)
        characters = sum(map(len, texts))
        return Reservation(
            kind,
            characters,
            characters * self.quotas.token_ratio.value,
            inputs,
            requests=inputs if self._per_input else 1.0,
            patience=patience,
            owner=owner,
        )

    def earliest(self, now: float, reservation: Reservation, aside: Amounts, *, leave_reserve: bool) -> float:
        """``now``, or a time worth asking again."""
        backoff = self.backoff
        paced = backoff.wait == 0 or backoff.is_answered
        when = self.quotas.earliest(now, reservation, aside, leave_reserve=leave_reserve, paced=paced)
        return max(when, self.paused_until(now, reservation)) if backoff.until > now else when

    def paused_until(self, now: float, reservation: Reservation) -> float:
        """End of a pause that concerns such a request."""
        until = self.backoff.until
        return now if until > now and self.bypass.allows(reservation) else until

    def trouble(self, now: float) -> str:
        """The failures for which requests wait, in words; "" if there are none."""
        silent = self.backoff.silent(now)
        if not silent:
            return f"the account is paused after {self._last_failure}" if self.backoff.until > now else ""
        return f"the provider has answered nothing but errors for {silent:.0f} s, the last {self._last_failure}"

    def reason_to_give_up(
        self, now: float, reservation: Reservation, when: float
    ) -> AembedError | PausedBeyondDeadline | None:
        """Return an error if waiting until ``when`` is pointless."""
        backoff = self.backoff
        if backoff.until > now >= backoff.gives_up_at():
            return OverloadedError(
                f"{self.trouble(now)}; check whether it is down, and try again later", retryable=False
            )
        wait = when - now
        if backoff.until > now and not self.bypass.spares(reservation):
            until_then = backoff.until - now
            if until_then > reservation.patience:
                return self._too_long(until_then, reservation)
            if backoff.until > reservation.deadline:
                return PausedBeyondDeadline(backoff.until)
        elif wait > reservation.patience and wait > MAX_WAIT_FOR_LIMITS_S:
            return self._too_long(wait, reservation)
        return None

    def succeeded(self, now: float, reservation: Reservation, reply: Reply, *, alone: bool) -> None:
        """``alone``: no request of the other kind was in flight, so that its time depends on its own size."""
        self.successes += 1
        self.slow_start.answered(now, self.quotas)  # before its reply makes limits known
        episodes, backoff, sent_at = self.quotas.episodes, self.backoff, reservation.sent_at
        is_episode = episodes.current is not None
        ends = is_episode and backoff.began_before(sent_at) and episodes.ends_with(now, reservation)
        backoff.answered(now, sent_at, ends=ends or not is_episode)
        if reservation is self.bypass.trial:
            self.bypass.succeeded()
        self._used_up = ""
        elapsed = now - sent_at
        latency = LATENCY_DECAY_FACTOR * self._latency
        self._latency = elapsed if elapsed > latency else latency
        if alone or not self.concurrency.adaptive:
            self.concurrency.answered(now, elapsed, reservation.characters)
        self.quotas.answered(now, reservation, reply)
        if ends:
            self.bypass.end()
            self.quotas.end_episode(now, reservation)

    def withdrawn(self, reservation: Reservation) -> None:
        """Take back a request that was admitted in the moment of its cancellation, and is not sent."""
        self.quotas.refund(reservation.sent_at, reservation)
        if reservation is self.bypass.trial:
            self.bypass.failed(is_cancelled=True)

    def ended(self, now: float, reservation: Reservation, error: AembedError | None, in_flight: int) -> None:
        """Note a request that failed, or was cancelled (``None``). ``in_flight``: the number of other requests."""
        if reservation is self.bypass.trial:
            self.bypass.failed(is_cancelled=error is None)
        if isinstance(error, RateLimitError):
            self._rejected(now, reservation, error, in_flight)
            return
        if isinstance(error, OverloadedError) and self.quotas.are_reported:
            # Few servers count a request that they could not serve; headers of the next reply correct the count.
            self.quotas.refund(now, reservation)
        else:
            arrived = now if error is not None else now + self._latency  # a cancelled request may still be on its way
            self.quotas.ended(arrived, reservation, success=False)
        if isinstance(error, ProviderError):
            self._failed(now, reservation, error, in_flight)

    def _rejected(self, now: float, reservation: Reservation, error: RateLimitError, in_flight: int) -> None:
        """After a 429 the whole account pauses until the server allows requests, and resumes one by one."""
        self.rejections += 1
        self._last_failure = _kind(error)
        self._used_up = error.scope or ""
        is_new = self.backoff.began_before(reservation.sent_at)
        quotas = self.quotas
        begins = is_new and quotas.episodes.current is None
        is_paced = quotas.pace.flow is not None
        wait = _sensible(error.retry_after)
        if error.scope == "day":
            self.bypass.close()
            wait = DAY_QUOTA_PAUSE_S if wait is None else wait
        if self.concurrency.adaptive:
            self.concurrency.overloaded(now, reservation.sent_at, in_flight)
        if begins and quotas.pace.is_stray(wait):
            quotas.rejected(now, reservation, wait)
            return
        self.bypass.rejected(reservation)
        if begins:
            # Before the refund: the minute before the 429 includes the rejected request.
            quotas.begin_episode(now, reservation, wait)
            self.slow_start.closed()
        quotas.refund(now, reservation)
        if is_new:  # the refund has emptied the reservation, whose estimate serves as well
            quotas.episodes.goes_on(now, reservation, reservation.sent_at if wait is None else now + wait)
        if wait is None:
            # The first probe is sent half-way: it tests whether there is a window at all.
            until_room = quotas.pace.until_room(now) * (0.5 if begins else 1.0)
            self.backoff.unannounced(now, reservation.sent_at, is_probe=reservation.is_probe, wait=until_room)
        else:
            probe = is_new and not (begins and is_paced)
            self.backoff.announced(now, wait, reservation.sent_at, probe=probe)

    def _failed(self, now: float, reservation: Reservation, error: ProviderError, in_flight: int) -> None:
        """An error with a reason, or wrong vectors, show a healthy server; silence and server errors do not."""
        if not error.retryable or (isinstance(error, ReplyError) and error.server_works):
            self.backoff.answered(now, reservation.sent_at)
            return
        self._last_failure = _kind(error)
        if isinstance(error, (OverloadedError, ConnectError)):
            self.concurrency.overloaded(now, reservation.sent_at, in_flight)
        wait = _sensible(error.retry_after)
        if wait is not None:
            self.bypass.close()
            self.backoff.announced(now, wait, reservation.sent_at, probe=False)
        self.backoff.failed(now, reservation.sent_at, is_probe=reservation.is_probe)

    def _too_long(self, wait: float, reservation: Reservation) -> RateLimitError:
        what = "the day's quota is used up; " if self._used_up == "day" else ""
        return RateLimitError(
            f"{what}the provider allows no request for {_duration(wait)}, longer than "
            f"max_retry_after={reservation.patience:g}; try again later, or raise it",
            retryable=False,
            retry_after=wait,
        )


def _sensible(retry_after: float | None) -> float | None:
    """The Retry-After if it can be true: zero seconds, right after a 429, cannot."""
    return retry_after if retry_after is not None and 0 < retry_after <= MAX_RETRY_AFTER_S else None


def _kind(error: ProviderError) -> str:
    """``"a ConnectError"``, ``"an OverloadedError with status 503"``."""
    name = type(error).__name__
    status = "" if error.status is None else f" with status {error.status}"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}{status}"


def _duration(seconds: float) -> str:
    """``"30 s"``, ``"2.5 h"``."""
    return f"{seconds:.0f} s" if seconds < 3600 or math.isinf(seconds) else f"{seconds / 3600:.1f} h"
