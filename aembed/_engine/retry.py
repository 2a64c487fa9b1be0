"""When a batch is tried again: one :class:`Retry` for each batch, and the only place that decides."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from aembed._errors import BatchTooLargeError, ProviderError, RateLimitError, ReplyError
from aembed._settings.policies import RetryPolicy

if TYPE_CHECKING:
    from aembed._gate.account import Account

DOUBLINGS = 64
"""Beyond these any delay is at its cap, and further ones would leave the range of a float."""
MAX_UNUSABLE_REPLIES = 2
"""A reply that cannot be used is asked for twice: it may be paid for each time, and rarely gets better."""
REJECTIONS_BEFORE_SPLIT = 8
"""A batch that gets a 429 so often, while others succeed, is more than the server ever takes at once."""


class Retry:
    """The attempts of one batch.

    A 429, and any failure while the account backs off, is no attempt of the batch: the gate decides when the account is
    asked again and when to give up. All other failures count, up to ``max_attempts``; with ``once`` the first of
    them is the last.
    """

    def __init__(self, policy: RetryPolicy, account: Account, *, once: bool = False) -> None:
        self.attempts = 0
        self.goes_first = False
        """The batch has been admitted before, and need not queue again."""
        self._policy = policy
        self._account = account
        self._once = once
        self._counted = self._rejections = self._successes = 0

    def begin(self) -> None:
        """An attempt begins."""
        self.attempts += 1
        self._successes = self._account.successes

    def after(self, error: ProviderError, *, texts: int) -> float:
        """Seconds before the next attempt.

        Raises:
            ProviderError: ``error``, if the batch is not tried again.
            BatchTooLargeError: the batch should be halved.
        """
        is_rejected = isinstance(error, RateLimitError)
        paced = self._policy.max_attempts > 1 and (is_rejected or self._account.backoff.probing)
        if not paced:
            self._counted += 1
        if (self._once and not is_rejected) or (is_rejected and not paced):
            raise error
        if is_rejected:
            self._reject(error, texts)
            self.goes_first = True
            return 0.0  # the gate waits, for everyone on the account
        delay = next_delay(self._policy, self._counted, error, random.random())  # noqa: S311
        if delay is None:
            raise error
        self.goes_first = not paced
        return delay if paced else max(delay, self._account.budget.take(anyio.current_time()))

    def _reject(self, error: ProviderError, texts: int) -> None:
        longest = self._policy.max_retry_after
        if not error.retryable or (error.retry_after is not None and error.retry_after > longest):
            raise error
        self._rejections += self._account.successes > self._successes
        if self._rejections >= REJECTIONS_BEFORE_SPLIT and texts > 1:
            raise BatchTooLargeError(str(error), provider=error.provider, status=error.status) from error


def next_delay(policy: RetryPolicy, attempt: int, error: ProviderError, jitter: float) -> float | None:
    """Seconds before attempt ``attempt + 1``; ``None`` to give up. ``jitter`` is uniform in [0, 1)."""
    allowed = min(policy.max_attempts, MAX_UNUSABLE_REPLIES) if isinstance(error, ReplyError) else policy.max_attempts
    if not error.retryable or attempt >= allowed:
        return None
    after = error.retry_after
    if after is not None and after > policy.max_retry_after:  # a NaN or negative answer counts as none
        return None
    if after is not None and after >= 0:
        return after
    ceiling = min(policy.max_delay, policy.initial_delay * 2.0 ** min(attempt - 1, DOUBLINGS))
    return ceiling * (1.0 - jitter)
