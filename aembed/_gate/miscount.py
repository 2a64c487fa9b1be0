"""429s that an error of the count explains: a known quota was nearly used up. Pure.

Small errors add up otherwise: usage in whole tokens, where fractions are counted, or an answer that is lost.
"""

from __future__ import annotations

from aembed._gate.quota import ResourceQuota
from aembed._gate.window import MINUTE_S

MAX_END_ERROR_S = 2.0
"""Seconds by which a Retry-After may end before or after the window that it concerns: both may be in whole seconds."""
NEARLY_FULL_SHARE = 0.95
"""Used share of a minute from which on the next 429 is an error of the count, most likely: tokens are estimates."""
MIN_SHORTAGE = 1e-6
"""Units that a rejected request lacked, at least."""


def explains(quota: ResourceQuota, amount: float, until: float | None) -> bool:
    """True if ``quota`` explains a 429 to ``amount``: it is nearly used up, or ends when the Retry-After does.

    ``until``: end of the Retry-After. Of a fixed window it decides, whatever the count says.
    """
    if quota.limit is None:
        return False
    if quota.rule == "fixed" and until is not None:
        return abs(until - quota.window_end) <= MAX_END_ERROR_S
    if quota.rule in {"bucket", "fixed"}:
        return quota.level <= amount + (1 - NEARLY_FULL_SHARE) * quota.window.flying
    return quota.window.used >= NEARLY_FULL_SHARE * quota.capacity


def correct(quota: ResourceQuota, now: float, amount: float) -> None:
    """Count as much as leaves no room for ``amount``, which was rejected; it is still counted itself."""
    if quota.rule in {"bucket", "fixed"}:
        quota.level = min(quota.level, -MIN_SHORTAGE)
    elif quota.limit is not None and (uncounted := quota.capacity - amount - quota.window.used) > 0:
        quota.window.add_foreign(now, uncounted, MINUTE_S, is_recent=False)
