"""Changes of level in a series of results. Pure.

The largest standardised Mann-Whitney statistic over all splits (Pettitt 1979; Hawkins and Deng 2010) is compared with
its value for random orders of as many numbers; where it is larger the series is split there, and both parts are
searched again. Ranks are robust against spikes, and a change too small to matter (Hodges and Lehmann) is not reported.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aembed.bench.stats.sample import hodges_lehmann

MIN_SEGMENT = 5
"""Values on either side of a change: fewer cannot be distinguished from a spike."""
FALSE_ALARMS = 0.01
"""In how many series without any change one is found."""
SHUFFLES = 10_000
"""Random orders whose largest step shows what chance does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """From ``index`` on the level is another one; ``change`` is relative to the level before: 0.1 is 10 % more."""

    index: int
    before: float
    after: float
    change: float


def change_points(series: ArrayLike, *, min_effect: float = 0.03) -> tuple[ChangePoint, ...]:
    """All changes of level by ``min_effect`` or more, in order; ``series`` is above 0, such as seconds or rates."""
    values = np.asarray(series, dtype=np.float64)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("a series must be finite and above 0 for relative changes in it")
    edges = [0, *sorted(_splits(values, 0)), len(values)]
    while (weak := _weakest(values, edges, min_effect)) is not None:
        edges.remove(weak)
    return tuple(_describe(values, *edges[i : i + 3]) for i in range(len(edges) - 2))


def _splits(values: NDArray[np.float64], offset: int) -> Iterator[int]:
    """Binary segmentation."""
    if len(values) < 2 * MIN_SEGMENT:
        return
    statistics = _statistics(_ranks(values)[None, :])[0]
    best = int(np.argmax(statistics))
    if statistics[best] <= _threshold(len(values)):
        return
    split = best + MIN_SEGMENT
    yield from _splits(values[:split], offset)
    yield offset + split
    yield from _splits(values[split:], offset + split)


def _weakest(values: NDArray[np.float64], edges: Sequence[int], min_effect: float) -> int | None:
    """The smallest of the changes that are too small to report, seen from the neighbours that are left."""
    changes = {edges[i + 1]: abs(_describe(values, *edges[i : i + 3]).change) for i in range(len(edges) - 2)}
    weak = min(changes, key=changes.__getitem__, default=None)
    return weak if weak is not None and changes[weak] < min_effect else None


def _describe(values: NDArray[np.float64], start: int, split: int, stop: int) -> ChangePoint:
    before, after = values[start:split], values[split:stop]
    level = float(np.median(before))
    shift = hodges_lehmann(before, after).value
    return ChangePoint(index=split, before=level, after=float(np.median(after)), change=shift / level)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1; equal values share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]


def _statistics(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of the rank sum before each split from its mean, in standard deviations, for rows of ranks."""
    n = ranks.shape[1]
    first = np.arange(MIN_SEGMENT, n - MIN_SEGMENT + 1)
    sums = np.cumsum(ranks, axis=1)[:, first - 1]
    variance = ranks.var(axis=1, ddof=1)[:, None] * first * (n - first) / n
    return np.asarray(np.abs(sums - first * (n + 1) / 2) / np.sqrt(np.where(variance > 0, variance, 1.0)))


@functools.cache
def _threshold(n: int) -> float:
    """Value that the largest statistic of ``n`` values in random order exceeds in ``FALSE_ALARMS`` of all cases."""
    dice = np.random.default_rng(n)
    rounds = max(1, SHUFFLES * n // 1_000_000)  # memory for some million ranks at a time
    order = np.tile(np.arange(1.0, n + 1), (SHUFFLES // rounds, 1))
    largest = [_statistics(dice.permuted(order, axis=1)).max(axis=1) for _ in range(rounds)]
    return float(np.quantile(np.concatenate(largest), 1 - FALSE_ALARMS))
