"""Estimates from a sample. Pure; every interval is one of 95 % confidence.

    percentiles                      of latencies, the failed among them, dependent on each other as they may be
    effective_size                   how dependent a series is
    t_interval, processes_interval   means of few values; of processes that were measured over and over
    hodges_lehmann, theil_sen        shift between two samples; slope of a series
    envelope_slope                   ... of its lower envelope
    holm                             p-values of many tests made at once

Tests compare these with scipy, which takes 1.7 s to load and is not needed to measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.stats.special import binomial_quantile, normal_quantile, t_quantile

Floats: TypeAlias = NDArray[np.float64]

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
LONGEST_SERIES = 1000
"""Points of a Theil-Sen slope, which looks at every pair."""
DEPENDENCES_OBSERVED = 10
"""Lengths of the dependence over which an effective size is estimated: five on either side."""
SHARE_FOR_QUEUES = 0.5
"""Additional share of requests for a decision where all depend on their neighbours: enough in trials with queues that
are busy for 50 to 90 % of the time."""
GROUPS = 60
"""Groups of values, whose minima are a lower envelope."""
QUANTILES_BEFORE_TAIL = (0.5, 0.9, 0.95, 0.99)
"""Quantiles that need an interval before any beyond them gets one: fewer values lie there, and so few look independent
although they are not."""


def percentiles(
    times: ArrayLike, qs: Sequence[float] = QUANTILES, *, independent: bool = False, tail: float = TAIL
) -> tuple[Percentile, ...]:
    """The percentiles ``qs`` of ``times``, given in the order of the requests; ``inf`` is a request that failed.

    A percentile is the smallest value that at least a share ``q`` of all do not exceed (the inverse of the empirical
    distribution; type 1 of Hyndman and Fan 1996): always a value that was measured. Its interval lies between two
    order statistics and holds for any distribution. Requests that queue behind each other are not independent:
    the ranks are then those of as many independent values as say the same (``effective_size``). Where these are too
    few for an interval of p90, p95 and above have none either.
    """
    return percentiles_and_size(times, qs, independent=independent, tail=tail)[0]


def percentiles_and_size(
    times: ArrayLike, qs: Sequence[float] = QUANTILES, *, independent: bool = False, tail: float = TAIL
) -> tuple[tuple[Percentile, ...], int]:
    """The percentiles, and the smallest effective size of them."""
    values = np.asarray(times, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError("times must not hold nan; a request without an answer is inf")
    if not len(values):
        return tuple(Percentile(q=q, value=None) for q in qs), 0
    ordered, n = np.sort(values), len(values)
    wanted = sorted({inner for q in qs for inner in up_to(q)})
    sizes = {q: n if independent else int(_size(values, float(ordered[rank_of(q, n) - 1]))) for q in wanted}
    ranks = {q: ranks_around(q, n, size, tail) for q, size in sizes.items()}
    found = tuple(_percentile(ordered, q, ranks[q] if all(ranks[i] for i in up_to(q)) else None) for q in qs)
    return found, min((sizes[q] for q in qs), default=n)


def up_to(q: float) -> tuple[float, ...]:
    """``q``, and the quantiles before it that need an interval for it to have one."""
    return (*(inner for inner in QUANTILES_BEFORE_TAIL if inner < q), q)


def _size(values: Floats, value: float) -> float:
    """Number of independent requests with as much information on the share of those up to ``value``."""
    return effective_size(values <= value if math.isfinite(value) else np.isfinite(values))


def _percentile(ordered: Floats, q: float, ranks: tuple[int, int] | None) -> Percentile:
    value = float(ordered[rank_of(q, len(ordered)) - 1])
    if ranks is None:
        return Percentile(q=q, value=_measured(value))
    finite = ordered[np.isfinite(ordered)]
    longest = float(finite[-1]) if len(finite) else None
    low, high = (_measured(float(ordered[rank - 1])) for rank in ranks)
    return Percentile(q=q, value=_measured(value), low=longest if low is None else low, high=high)


def _measured(value: float) -> float | None:
    return value if math.isfinite(value) else None


def rank_of(q: float, n: int) -> int:
    """The rank of the percentile among ``n`` values, from 1."""
    return max(math.ceil(q * n - 1e-9), 1)


def ranks_around(q: float, n: int, size: int, tail: float = TAIL) -> tuple[int, int] | None:
    """Order statistics, from 1, around the percentile; ``None`` where ``size`` values do not reach that far."""
    low, high = binomial_quantile(tail, size, q), binomial_quantile(1 - tail, size, q) + 1
    if low < 1 or high > size:
        return None
    return max(1, low * n // size), min(n, -(-high * n // size))


def effective_size(series: ArrayLike) -> float:
    """The number of independent values with as much information on the mean as this series, ``len(series)`` at most.

    n / (1 + 2 * sum of autocorrelations), the sum cut off at five times its value (Sokal 1997).
    """
    values = np.asarray(series, dtype=np.float64)
    n = len(values)
    correlation = _autocovariance(values)
    if n < 4 or correlation[0] <= 0:
        return float(n)
    times = 2 * np.cumsum(correlation / correlation[0]) - 1
    window = np.arange(n) >= 5 * times
    time = float(times[np.argmax(window)]) if window.any() else float(n)
    return n / max(1.0, time)


def cautious_size(series: Sequence[ArrayLike]) -> float:
    """The effective size for a decision: the smallest of these series, less its uncertainty.

    An effective size is estimated over some ten times the length of the dependence: its autocorrelations are too low by
    the error of the mean (Wolff 2004), and a decision allows for its error as Student's t does (Korn and Graubard
    1998). Slow stretches differ in length, so that a run with few of them is more often misleading than its variance
    says: SHARE_FOR_QUEUES allows for that. Series without any sign of dependence are taken as independent.
    """
    n, size = len(np.asarray(series[0])), min(effective_size(each) for each in series)
    if size >= n:
        return size
    freedom = max(1.0, size / DEPENDENCES_OBSERVED)
    unsure = (1 + DEPENDENCES_OBSERVED / size) * (1 + SHARE_FOR_QUEUES * (1 - size / n))
    return size / unsure * (normal_quantile(1 - TAIL) / t_quantile(freedom, 1 - TAIL)) ** 2


def _autocovariance(values: Floats) -> Floats:
    """The autocovariance of every lag, by way of the power spectrum."""
    n = len(values)
    if n == 0:
        return np.zeros(1)
    spectrum = np.fft.rfft(values - values.mean(), 1 << (2 * n - 1).bit_length())
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2)[:n] / n, dtype=np.float64)


def processes_interval(samples: Sequence[ArrayLike]) -> Estimate:
    """The geometric mean over processes of the median of each one's blocks: Student's t, of logarithms.

    Values of one process share its memory layout and its hash seed: more of them do not make the interval narrower.
    Times are above 0, and so is the interval: of logarithms, as in a comparison by ratios.
    """
    found = t_interval([math.log(max(float(np.median(np.asarray(row))), 1e-12)) for row in samples])
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return Estimate(value=math.exp(found.value), low=low, high=high)


def t_interval(values: ArrayLike) -> Estimate:
    """The mean of a few independent values, such as one difference for each pair of processes."""
    sample = np.asarray(values, dtype=np.float64)
    n, mean = len(sample), float(np.mean(sample))
    if n < 2:
        return Estimate(value=mean)
    half = float(t_quantile(n - 1, 1 - TAIL) * np.std(sample, ddof=1) / math.sqrt(n))
    return Estimate(value=mean, low=mean - half, high=mean + half)


def hodges_lehmann(before: ArrayLike, after: ArrayLike) -> Estimate:
    """By how much ``after`` is shifted: the median of all differences, its interval from the Mann-Whitney test."""
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    differences = np.sort((b[:, None] - a).ravel())
    pairs = len(differences)
    value = float(np.median(differences))
    rank = round(pairs / 2 - normal_quantile(1 - TAIL) * math.sqrt(pairs * (len(a) + len(b) + 1) / 12))
    if rank < 1:
        return Estimate(value=value)
    return Estimate(value=value, low=float(differences[rank - 1]), high=float(differences[pairs - rank]))


def theil_sen(x: ArrayLike, y: ArrayLike) -> Estimate:
    """The median slope between all pairs of points: a third of them may be wild. Long series are taken in groups."""
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    size = -(-len(xs) // LONGEST_SERIES)
    if size > 1:
        whole = len(xs) // size * size
        xs, ys = (np.median(values[:whole].reshape(-1, size), axis=1) for values in (xs, ys))
    first, second = np.triu_indices(len(xs), 1)
    apart = xs[second] - xs[first]
    slopes = np.sort((ys[second] - ys[first])[apart > 0] / apart[apart > 0])
    low, high = _kendall_ranks(xs, ys, len(slopes))
    return Estimate(value=float(np.median(slopes)), low=float(slopes[low]), high=float(slopes[high]))


def _kendall_ranks(xs: Floats, ys: Floats, slopes: int) -> tuple[int, int]:
    """Places of the slopes at the ends of the interval: from the variance of Kendall's tau (Sen 1968, with ties)."""
    n = len(xs)
    variance = n * (n - 1) * (2 * n + 5)
    for values in (xs, ys):
        ties = np.unique(values, return_counts=True)[1]
        variance -= int(np.sum(ties * (ties - 1) * (2 * ties + 5)))
    half = normal_quantile(1 - TAIL) * math.sqrt(max(variance, 0) / 18)
    low, high = round((slopes - half) / 2), round((slopes + half) / 2)
    return max(low - 1, 0), min(high, slopes - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of tests that were made together, adjusted so that one false alarm among all is as rare as asked."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(order) - rank)))
        adjusted[index] = largest
    return adjusted


def envelope_slope(x: Floats, y: Floats) -> Estimate:
    """Theil-Sen slope of the lower envelope: minima of consecutive groups, so that memory freed again is not growth."""
    groups = np.array_split(np.arange(len(x)), min(GROUPS, max(2, len(x) // 3)))
    lowest = [group[np.argmin(y[group])] for group in groups]
    return theil_sen(x[lowest], y[lowest])
