"""Limits of an account, when to try again, how to merge calls: small settings with a class each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from aembed._settings.base import Settings
from aembed._settings.values import Count, Rate, Seconds, Switch, as_bool


class Limits(Settings):
    """Quotas of an account, or of a model with a separate quota. ``None``: the provider's default."""

    max_concurrency: Count | None = None
    """Requests in flight at once. One more is reserved for queries."""
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    inputs_per_minute: Rate | None = None
    """Texts a minute, for providers that count these."""
    requests_per_day: Rate | None = None
    tokens_per_day: Rate | None = None
    """In any 24 hours of this process; requests of earlier processes are not known, and do not count."""
    query_share: Annotated[float, Field(ge=0, le=0.9)] | None = None
    """Part of each quota that documents leave to queries. ``None``: as much as recent queries show they need."""


class RetryPolicy(Settings):
    """When to try again. Delays are in seconds and double up to ``max_delay``, each with full jitter.

    A ``Retry-After`` of the provider is obeyed instead, up to ``max_retry_after``; beyond that the call fails.
    """

    max_attempts: Count = 5
    initial_delay: Seconds = 0.5
    max_delay: Seconds = 30.0
    max_retry_after: Seconds = 120.0


class MergePolicy(Settings):
    """Micro-batching: calls with few texts share requests while others are in flight. The first is sent at once."""

    max_texts: Count = 128
    """Texts in one batch of several calls, at most; also at most what the provider takes. Larger calls go alone."""
    window: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    """Seconds a call waits for company, at most, while requests may be sent."""


def _kind_of_merge(value: object) -> str | None:
    """The kind that is meant, so that an error explains one of the two and not both."""
    if isinstance(as_bool(value), bool):
        return "switch"
    return "policy" if isinstance(value, (MergePolicy, Mapping)) else None


Merge = Annotated[
    Annotated[Switch, Tag("switch")] | Annotated[MergePolicy, Tag("policy")],
    Discriminator(_kind_of_merge, "merge", "give True, or a MergePolicy with max_texts and window"),
]
