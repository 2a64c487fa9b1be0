"""Several subjects side by side: their ranks, and the difference of every pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from aembed.bench.model.estimates import Estimate

Order: TypeAlias = Literal["faster", "slower", "tied", "not judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOfSides:
    """Two sides, compared round by round."""

    first: str
    second: str
    change: Estimate
    """Relative: 0.1 says that the second took 10 % longer. Its interval is one of 95 %."""
    order: Order
    """Order of the first. ``tied``: the rounds show no sure difference; ``not judged``: the run is INVALID."""
    p_value: float
    """That two equal sides differ so much, adjusted for the number of pairs (Holm)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One side. ``rank`` is 1 plus the number of sides that are surely faster, so that ties share a rank."""

    name: str
    rank: int
    p50: float | None
    p95: float | None
    good_rate: float
    errors: float
    """Share of requests without a good answer."""
    texts_rate: float | None
    cost_per_million: float | None
    """US dollars per million tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """The comparison. All sides had the same schedule and the same requests, in blocks that alternate."""

    by: str
    """The percentile that decides, such as "p50"."""
    rounds: int
    block_s: float
    standings: tuple[Standing, ...]
    """The best rank first."""
    pairs: tuple[PairOfSides, ...]
    samples: tuple[tuple[float, ...], ...]
    """Seconds of that percentile: a row for each round, a value for each side in the order given."""
    detectable: float | None
    """The smallest relative difference that so many rounds would find four times out of five."""
