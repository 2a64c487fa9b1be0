"""Quotas as headers have shown them."""

from __future__ import annotations

from aembed._gate.quota import ResourceQuota


def sent(quota: ResourceQuota, now: float, amount: float, *, is_query: bool = False) -> None:
    """Sent, and answered at once."""
    quota.commit(now, amount, is_query)
    quota.ended(now, now, amount, is_query)


def reported(limit: float = 60.0, stated: float | None = None) -> ResourceQuota:
    quota = ResourceQuota(stated)
    quota.from_headers = True
    quota.set_limit(limit)
    return quota


def bucket(limit: float = 60.0, holds: float = 60.0) -> ResourceQuota:
    quota = reported(limit)
    quota.use_as_bucket(holds)
    quota.level = quota.burst
    return quota


def fixed(limit: float = 60.0, ends: float = 30.0) -> ResourceQuota:
    quota = reported(limit)
    quota.use_as_fixed(ends)
    quota.level = quota.burst
    return quota
