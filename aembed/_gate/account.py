"""What is known of an account's server: its quotas, its pauses, its capacity. Pure: every method is told the time.

Each request ends as an answer, a refusal, a failure, or with nothing; the account learns from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from aembed._errors import AembedError, ConnectError, OverloadedError, ProviderError, RateLimitError
from aembed._gate.budget import RetryBudget
from aembed._gate.concurrency import AdaptiveConcurrency
from aembed._gate.pause import Pause
from aembed._gate.permit import Permit
from aembed._gate.quotas import Quotas
from aembed._settings.policies import Limits
from aembed._types import Kind, ModelSpec, Reply

FIRST_AT_ONCE = 2
"""Requests sent before the first answer; each answer allows one more, so that a small quota is not overrun unseen."""
ABSURD = 3600.0
"""Seconds. A Retry-After beyond this is no quota but a mistake, and counts as none."""


class Account:
    """``per_input``: the provider's request quota counts every text of a request."""

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool, per_input: bool) -> None:
        self.concurrency = AdaptiveConcurrency(slots, adaptive=adaptive)
        self.quotas = Quotas(limits)
        self.pause = Pause()
        self.budget = RetryBudget()
        self.successes = self.refusals = 0
        self.slow_start = FIRST_AT_ONCE
        self._per_input = per_input
        self._last_failure = ""
        """Its kind alone: what else it says may be of another model or request than those that are told of it."""

    def set_limits(self, limits: Limits) -> None:
        if limits.max_concurrency is not None:
            self.concurrency = AdaptiveConcurrency(limits.max_concurrency, adaptive=self.concurrency.adaptive)
        self.quotas.set_limits(limits)

    @property
    def slots(self) -> int:
        """Requests it may be sent at once."""
        slots = self.concurrency.slots
        return min(self.slow_start, slots)

    def fitted(self, spec: ModelSpec) -> ModelSpec:
        """``spec`` with no larger batches than the quotas take."""
        return self.quotas.fitted(spec, per_input=self._per_input)

    def permit(self, kind: Kind, texts: Sequence[str], patience: float) -> Permit:
        """What a request needs. Tokens are estimated even where no quota of them is known: it may be when it goes."""
        inputs = len(texts)
        characters = sum(map(len, texts))
        tokens = characters * self.quotas.token_ratio.value
        return Permit(kind, characters, tokens, inputs, requests=inputs if self._per_input else 1.0, patience=patience)

    def earliest(self, now: float, permit: Permit, leave_reserve: bool) -> float:
        """``now``, or a time worth asking again."""
        when = self.quotas.earliest(now, permit, leave_reserve)
        return max(self.pause.until, when)

    def hopeless(self, now: float, permit: Permit) -> ProviderError | None:
        """Why there is no point in waiting, if so."""
        left = self.pause.until - now
        if self.pause.hopeless(now):
            return OverloadedError(
                f"the provider has answered nothing but errors for {self.pause.silent(now):.0f} s, the last "
                f"{self._last_failure}; see whether it is down, and try again later",
                retryable=False,
            )
        if left > permit.patience:
            return RateLimitError(
                f"the provider wants no request for {left:.0f} s, longer than max_retry_after={permit.patience:g}; "
                "try again later, or raise it",
                retryable=False,
                retry_after=left,
            )
        return None

    def answered(self, now: float, permit: Permit, reply: Reply, *, alone: bool) -> None:
        """``alone``: no request of the other kind was beside it, so that its time tells of its own size."""
        self.successes += 1
        self.slow_start += 1
        self.pause.answered(permit.sent_at)
        if alone or not self.concurrency.adaptive:
            self.concurrency.answered(now, now - permit.sent_at, permit.characters)
        self.quotas.answered(now, permit, reply)

    def ended(self, now: float, permit: Permit, error: AembedError | None, *, is_probe: bool, in_flight: int) -> None:
        """With an error, or with nothing as it was cancelled. ``in_flight``: the others."""
        is_busy = isinstance(error, RateLimitError) and self.concurrency.adaptive
        if is_busy or isinstance(error, (OverloadedError, ConnectError)):
            self.concurrency.overloaded(now, permit.sent_at, in_flight)
        if isinstance(error, RateLimitError):
            self._refused(now, permit, error, is_probe=is_probe)
            return
        self.quotas.ended(now, permit)
        if isinstance(error, ProviderError):
            self._failed(now, permit, error, is_probe=is_probe)

    def _refused(self, now: float, permit: Permit, error: RateLimitError, *, is_probe: bool) -> None:
        """Too fast, the server says: nobody on the account is sent before it allows, and no herd after."""
        self.refusals += 1
        self._last_failure = _kind(error)
        self.quotas.refund(now, permit)
        wait = _sensible(error.retry_after)
        if wait is None:
            news = self.pause.untold(now, permit.sent_at, probe=is_probe)
        else:
            news = self.pause.told(now, wait, permit.sent_at)
        if news:
            self.quotas.refused(now, permit, wait, probe=is_probe)
        if wait is not None:
            self.quotas.drain(now, permit, wait)

    def _failed(self, now: float, permit: Permit, error: ProviderError, *, is_probe: bool) -> None:
        """A refusal with a reason is an answer; silence and server errors are not."""
        if not error.retryable:
            self.pause.answered(permit.sent_at)
            return
        self._last_failure = _kind(error)
        wait = _sensible(error.retry_after)
        if wait is not None:
            self.pause.told(now, wait, permit.sent_at)
        self.pause.failed(now, permit.sent_at, probe=is_probe)


def _sensible(retry_after: float | None) -> float | None:
    return retry_after if retry_after is not None and 0 <= retry_after <= ABSURD else None


def _kind(error: ProviderError) -> str:
    """``"a ConnectError"``, ``"an OverloadedError with status 503"``."""
    name = type(error).__name__
    status = "" if error.status is None else f" with status {error.status}"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}{status}"
