"""The work of a run in the units of embedding: texts, tokens, bytes, cost, and what never reached the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aembed.bench.model.estimates import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths of the texts that were sent, in characters."""

    mean: float
    p50: int
    p95: int
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthCost:
    """Service time of a request by its length: ``fixed + per_character * characters``, by least squares."""

    requests: int
    """Good answers that the line is fitted to."""
    fixed: Estimate
    """Seconds of a request without any text; its waiting for others is in it."""
    per_character: Estimate
    """Seconds."""
    characters_per_token: float
    """Mean of the whole run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Totals of a run. Rates are per second of the schedule, and of the drain where answers came after it."""

    model: str
    """Provider, model, and how many numbers a vector has, where that is known."""
    source: str
    """The texts, such as "passages"."""
    texts: int
    """Texts that got their vector."""
    texts_rate: float
    tokens: int
    tokens_rate: float
    tokens_from: Literal["provider", "characters"]
    """``characters``: the provider reported none, so four characters are taken for one."""
    bytes: int
    """UTF-8 bytes of the texts that got their vector."""
    bytes_rate: float
    sent: int
    """Requests sent to the provider, retries included."""
    retries: int
    cache_hits: int
    """Texts answered from a cache."""
    shared: int
    """Texts answered by a request that was already on its way."""
    merged: int
    """Calls that shared their requests with others."""
    repeated: int | None
    """Texts that had been sent before in this run; ``None``: the same texts in every request."""
    lengths: Lengths | None
    price: float | None
    """US dollars per million tokens; ``None`` where it is unknown."""
    cost: float | None
    """US dollars for the whole run."""
    by_length: LengthCost | None = None
    """``None`` where all requests are about equally long, or there are too few."""
    server: str | None = None
    """Host of the provider's server; ``None`` for a model in this process."""
    cached: bool = False
    """A cache was asked first."""
    requests_per_minute: float | None = None
    """Limit of the account that was in force at the end, where one is known."""
    tokens_per_minute: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict[str, int])
    """Requests to the provider that failed, by kind, the most frequent first: some were sent again, and others wait
    until the provider works again."""

    @property
    def described(self) -> str:
        """Such as "openai:m, 1536 dimensions, at api.openai.com, no cache"."""
        place = "" if self.server is None else f", at {self.server}"
        return f"{self.model}{place}, {'with a' if self.cached else 'no'} cache"

    @property
    def unsent(self) -> int:
        """Texts that the model did not embed: their times are those of a dictionary lookup, or of another request."""
        return self.cache_hits + self.shared
