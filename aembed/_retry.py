"""(policy, attempt, error, jitter) -> seconds to wait, or give up. Pure."""

from __future__ import annotations

from aembed._errors import ProviderError, RateLimitError, ReplyError
from aembed._settings.policies import RetryPolicy

DOUBLINGS = 64
"""Beyond these any delay is at its cap, and further ones would leave the range of a float."""
UNUSABLE_REPLIES = 2
"""A reply that cannot be used is asked for twice: it may be paid for each time, and rarely gets better."""


def next_delay(policy: RetryPolicy, attempt: int, error: ProviderError, jitter: float) -> float | None:
    """Seconds before attempt ``attempt + 1``; ``None`` to give up. ``jitter`` is uniform in [0, 1)."""
    allowed = min(policy.max_attempts, UNUSABLE_REPLIES) if isinstance(error, ReplyError) else policy.max_attempts
    if not error.retryable or attempt >= allowed:
        return None
    after = error.retry_after
    if after is not None and after > policy.max_retry_after:  # a NaN or negative answer counts as none
        return None
    if isinstance(error, RateLimitError):
        return 0.0  # the gate waits, for everyone on the account
    if after is not None and after >= 0:
        return after
    ceiling = min(policy.max_delay, policy.initial_delay * 2.0 ** min(attempt - 1, DOUBLINGS))
    return ceiling * (1.0 - jitter)
