"""Counters of an embedder, and snapshots of an embedder, an account and a factory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class EmbedderCounts:
    """Counters of one embedder; :class:`Statistics` explains them."""

    texts: int = 0
    tokens: int = 0
    requests: int = 0
    retries: int = 0
    failed: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    cache_shared: int = 0
    cache_failures: int = 0
    merged_calls: int = 0
    merged_requests: int = 0
    listener_failures: int = 0
    deadlines: int = 0
    errors: Mapping[str, int] = field(default_factory=dict[str, int])
    """Replaced at each failure, and never changed: another thread may be reading it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counters of an embedder since it was made, and its state now.

    The fields from ``in_flight`` on describe the gate, which all embedders on the same quota share.
    """

    texts: int
    """Texts that got their vector."""
    tokens: int
    """Tokens the provider reported."""
    requests: int
    """Attempts sent, retries included."""
    retries: int
    failed: int
    """Texts given up."""
    cache_hits: int
    """Texts answered from the cache."""
    cache_misses: int
    """Texts not found in the cache, and sent."""
    cache_shared: int
    """Texts that were already in flight for another call."""
    cache_failures: int
    """Texts that could not be looked up or cached, because the store failed."""
    cache_dropped: int
    """Rows that the cache had no room for, or has evicted. Counted for all embedders that share the cache."""
    merged_calls: int
    """Calls sent in one batch with others."""
    merged_requests: int
    """Batches made of several calls."""
    listener_failures: int
    """Events on which a listener raised an error; the first is logged with its traceback."""
    deadlines: int
    """Calls that ran into their deadline; their unanswered texts are among ``failed``."""
    errors: Mapping[str, int]
    """Attempts that failed, by the class of their error, such as ``{"ConnectError": 3}``."""
    in_flight: int
    waiting: int
    waiting_for: str
    """Resource that keeps the first in line: "slots", "requests", "tokens", "inputs", "pause"; "" if none waits."""
    paused: float
    """Seconds until the next request may be sent, after a 429 or an outage."""
    refusals: int
    """Requests answered with 429."""
    slots: int
    """Limit of requests in flight. For a server without a quota it adapts to what the server handles."""
    requests_per_minute: float | None
    """Limit in force: yours, or the one that replies report or show. ``None`` while none is known."""
    tokens_per_minute: float | None
    inputs_per_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderStatistics:
    """Counters of all embedders of one name that a factory has made, closed ones included."""

    embedder: str
    """Name they were opened with: a profile, or ``"provider:model"``."""
    provider: str
    model: str
    account: str
    """That of :class:`AccountStatistics`."""
    is_open: bool
    texts: int
    tokens: int
    cost: float | None
    """US dollars; ``None`` where the model's price is not known."""
    requests: int
    retries: int
    failed: int
    cache_hits: int
    cache_misses: int
    cache_shared: int
    cache_failures: int
    merged_calls: int
    merged_requests: int
    listener_failures: int
    deadlines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStatistics:
    """State of one gate: of all embedders that share a quota. Times are in seconds, limits per minute."""

    account: str
    """Short digest of provider, base_url and key. It reveals no key."""
    provider: str
    model: str | None
    """Model whose quota it is, where the provider counts each model separately."""
    in_flight: int
    waiting: int
    waiting_for: str
    slots: int
    paused: float
    circuit_open: bool
    refusals: int
    """Requests answered with 429."""
    limits: Mapping[str, float]
    """Known limits: by "requests", "tokens", "inputs"."""
    remaining: Mapping[str, float]
    """Part of each of them that could be sent now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryStatistics:
    """Snapshot of a factory."""

    embedders: tuple[EmbedderStatistics, ...]
    accounts: tuple[AccountStatistics, ...]
