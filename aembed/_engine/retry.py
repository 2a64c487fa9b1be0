"""When a batch is retried: one :class:`Retry` for each batch, and the only place that decides."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio

from aembed._errors import BatchTooLargeError, ProviderError, RateLimitError, ReplyError
from aembed._settings.policies import RetryPolicy

if TYPE_CHECKING:
    from aembed._gate.account import Account

MAX_DOUBLINGS = 64
"""Beyond these every delay is at its cap, and 2**1024 would leave the range of a float."""
MAX_UNUSABLE_REPLIES = 2
"""Attempts that may end in an unusable reply: each may be billed, and a repeated request rarely gets a better one."""
REJECTIONS_BEFORE_SPLIT = 8
"""A batch with so many 429s while other batches succeed is larger than the server ever admits: it is halved."""


class Retry:
    """The attempts of one batch.

    A 429, and any failure while the account backs off, does not count as an attempt: the gate decides when to ask the
    account again and when to give up. All other failures count, up to ``max_attempts``; with ``once`` the first of
    them is the last.
    """

    __slots__ = (
        "_account",
        "_counted",
        "_once",
        "_policy",
        "_rejections",
        "_successes",
        "_texts",
        "attempts",
        "goes_first",
    )

    def __init__(self, policy: RetryPolicy, account: Account, texts: int, *, once: bool = False) -> None:
        self.attempts = 0
        self.goes_first = False
        """The batch has been admitted before, and need not queue again."""
        self._policy = policy
        self._account = account
        self._texts = texts
        self._once = once
        self._counted = self._rejections = self._successes = 0
        account.budget.attempted()

    def begin(self) -> None:
        """An attempt begins."""
        self.attempts += 1
        self._successes = self._account.successes

    def after(self, error: ProviderError) -> float | None:
        """Seconds until the next attempt; ``None`` if ``error`` is final.

        Raises:
            BatchTooLargeError: the batch should be halved.
        """
        is_rejected = isinstance(error, RateLimitError)
        is_paced = self._policy.max_attempts > 1 and (is_rejected or self._account.is_down)
        if not is_paced:
            self._counted += 1
        if is_rejected:
            return self._after_429(error) if is_paced else None
        delay = None if self._once else next_delay(self._policy, self._counted, error, random.random())  # noqa: S311
        if delay is None:
            return None
        self.goes_first = not is_paced  # in an outage every batch fails, and the gate sends the next in line
        return delay if is_paced else max(delay, self._account.budget.take(anyio.current_time()))

    def _after_429(self, error: ProviderError) -> float | None:
        """No delay of the batch's own: the gate holds back every batch of the account."""
        too_long = error.retry_after is not None and error.retry_after > self._policy.max_retry_after
        if not error.retryable or too_long:
            return None
        self._rejections += self._account.successes > self._successes
        if self._rejections >= REJECTIONS_BEFORE_SPLIT and self._texts > 1:
            raise BatchTooLargeError(str(error), provider=error.provider, status=error.status) from error
        self.goes_first = True
        return 0.0


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
    ceiling = min(policy.max_delay, policy.initial_delay * 2.0 ** min(attempt - 1, MAX_DOUBLINGS))
    return ceiling * (1.0 - jitter)
