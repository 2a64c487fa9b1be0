"""Sweeps of servers whose throughput and latency are known exactly."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.sweeps import score
from tests.truth.figures import Figure, truth

SWEEPS = 300


@truth("Sweep front and recommendation", attempts=1)
def front_is_kept() -> Sequence[Figure]:
    """Every block of a sweep is slower or faster by 2 %, as on a restless machine."""
    found = score(range(1000, 1000 + SWEEPS))
    return [
        Figure("share of sweeps whose front contains the true one", found.contained, low=0.95),
        Figure("share of true points called beaten", found.lost, high=0.05),
        Figure("share of recommendations that miss the objective", found.broken, high=0.05),
        Figure("share of recommendations within 5 % of the best throughput", found.optimal, low=0.9),
        Figure("mean share of the time that was used", found.used, high=1.0),
    ]
