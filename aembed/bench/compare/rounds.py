"""Sides that took turns: which of them is surely faster. Pure.

Each round gives one value for each side, measured within seconds of each other, so that drifts (the time of day,
the network, a neighbour) drifts for all. The differences of their logarithms are compared by Student's t, adjusted by
Bonferroni for the number of pairs, and so are their intervals: a pair is tied if its interval holds 0. Orders alternate
so that a drift within a round evens out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from aembed.bench.model.estimates import Estimate
from aembed.bench.model.versus import Order, PairOfSides
from aembed.bench.stats.special import t_cdf, t_quantile

ALPHA = 0.03
"""Largest rate of false positives for equal sides, of all pairs together: their intervals hold in 97 of 100 runs."""
FEWEST_ROUNDS = 6
FAILED_PERCENTILE_FACTOR = 100.0
"""Factor: a percentile that falls among failed requests counts as this multiple of the slowest time measured."""


def orders(sides: int) -> list[list[int]]:
    """Orders of ``sides`` in which each follows every other equally often (Williams 1949), to be repeated."""
    first = [(step + 1) // 2 if step % 2 else (sides - step // 2) % sides for step in range(sides)]
    rows = [[(place + shift) % sides for place in first] for shift in range(sides)]
    return rows if sides % 2 == 0 else rows + [row[::-1] for row in rows]


def finite(rounds: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """The same rounds, with a time for what failed."""
    measured = [value for row in rounds for value in row if math.isfinite(value)]
    worst = FAILED_PERCENTILE_FACTOR * max(measured, default=1.0)
    return tuple(tuple(value if math.isfinite(value) else worst for value in row) for row in rounds)


def compared(names: Sequence[str], rounds: Sequence[Sequence[float]]) -> tuple[PairOfSides, ...]:
    """Every pair. ``rounds`` has a row of seconds for each round, in the order of ``names``."""
    logs = np.log(np.asarray(rounds, dtype=np.float64))
    pairs = list(itertools.combinations(range(len(names)), 2))
    found = [(first, second, *_compared(logs[:, second] - logs[:, first], len(pairs))) for first, second in pairs]
    return tuple(
        PairOfSides(first=names[first], second=names[second], change=change, order=_order(change, p), p_value=p)
        for first, second, change, p in found
    )


def _compared(differences: np.ndarray[tuple[int], np.dtype[np.float64]], pairs: int) -> tuple[Estimate, float]:
    n, mean = len(differences), float(differences.mean())
    error = max(float(differences.std(ddof=1)) / math.sqrt(n), 1e-12)
    half = t_quantile(n - 1, 1 - ALPHA / 2 / pairs) * error
    change = Estimate(value=math.expm1(mean), low=math.expm1(mean - half), high=math.expm1(mean + half))
    return change, min(1.0, pairs * 2 * t_cdf(n - 1, -abs(mean) / error))


def _order(change: Estimate, p_value: float) -> Order:
    if p_value >= ALPHA:
        return "tied"
    return "faster" if change.value > 0 else "slower"


def ranks(names: Sequence[str], pairs: Sequence[PairOfSides]) -> dict[str, int]:
    """1 plus the number of sides that are surely faster."""
    beaten = [
        pair.second if pair.order == "faster" else pair.first for pair in pairs if pair.order in {"faster", "slower"}
    ]
    return {name: 1 + beaten.count(name) for name in names}


def detectable(rounds: Sequence[Sequence[float]]) -> float | None:
    """The difference that the noisiest pair would show four times out of five."""
    logs = np.log(np.asarray(rounds, dtype=np.float64))
    n, sides = logs.shape
    number = sides * (sides - 1) / 2
    spread = max(float((logs[:, b] - logs[:, a]).std(ddof=1)) for a, b in itertools.combinations(range(sides), 2))
    return math.expm1((t_quantile(n - 1, 1 - ALPHA / 2 / number) + t_quantile(n - 1, 0.8)) * spread / math.sqrt(n))
