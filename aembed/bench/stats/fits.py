"""Laws that growing load follows: straight lines, universal scalability, and where an objective breaks. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aembed.bench.model.estimates import Estimate, Percentile
from aembed.bench.model.one_at_a_time import LinearFit, UslFit
from aembed.bench.needs import need
from aembed.bench.stats.sample import TAIL
from aembed.bench.stats.special import f_tail, t_quantile

WORST = 100.0
"""Multiple of the limit that counts as simply broken, failed requests among it."""


def linear_fit(x: ArrayLike, y: ArrayLike) -> LinearFit:
    """Least squares of ``y = fixed + per_unit * x``.

    If values of ``x`` were measured more than once, their scatter shows whether a straight line describes them at all
    (F-test for lack of fit). Raises ValueError for fewer than three points or a single ``x``.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(xs)
    if n < 3 or len(np.unique(xs)) < 2:
        raise ValueError(f"a line needs three points or more at two x or more; got {n} at {len(np.unique(xs))}")
    middle = xs.mean()
    spread = float(np.sum((xs - middle) ** 2))
    slope = float(np.sum((xs - middle) * ys) / spread)
    fixed = float(ys.mean() - slope * middle)
    residual = float(np.sum((ys - fixed - slope * xs) ** 2))
    total = float(np.sum((ys - ys.mean()) ** 2))
    deviation = math.sqrt(residual / (n - 2))
    t = float(t_quantile(n - 2, 1 - TAIL))
    lack = _lack_of_fit(xs, ys, residual)
    return LinearFit(
        fixed=_around(fixed, t * deviation * math.sqrt(1 / n + middle**2 / spread)),
        per_unit=_around(slope, t * deviation / math.sqrt(spread)),
        r2=1 - residual / total if total > 0 else 1.0,
        lack_of_fit=None if lack is None else f_tail(*lack),
    )


def line_by_groups(x: ArrayLike, y: ArrayLike, groups: int) -> tuple[Estimate, Estimate]:
    """The intercept and the slope of a least-squares line, for values in the order they were measured in.

    Their intervals come from leaving out one group of consecutive values at a time (jackknife), so that neighbours may
    depend on each other and the scatter may grow with ``x``. Raises ValueError where a group alone decides the line.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    shift = float(xs.mean())  # sums of squares of large numbers lose digits
    terms = np.stack([np.ones_like(xs), xs - shift, ys, (xs - shift) ** 2, (xs - shift) * ys])
    parts = np.stack([part.sum(axis=1) for part in np.array_split(terms, groups, axis=1)])
    whole = parts.sum(axis=0)
    found = np.array([_line(whole - part, shift) for part in (np.zeros(5), *parts)])
    off = found[1:] - found[1:].mean(axis=0)
    halves = t_quantile(groups - 1, 1 - TAIL) * np.sqrt((groups - 1) / groups * (off**2).sum(axis=0))
    fixed, slope = (_around(float(v), float(h)) for v, h in zip(found[0], halves, strict=True))
    return fixed, slope


def _line(sums: NDArray[np.float64], shift: float) -> tuple[float, float]:
    """Intercept and slope from the sums of 1, x, y, x² and xy, where ``shift`` was taken off every x."""
    n, x, y, xx, xy = map(float, sums)
    spread = xx - x * x / n if n else 0.0
    if spread <= 0:
        raise ValueError("no line without one group of values: the others have the same x")
    slope = (xy - x * y / n) / spread
    return y / n - slope * (x / n + shift), slope


def _lack_of_fit(xs: NDArray[np.float64], ys: NDArray[np.float64], residual: float) -> tuple[int, int, float] | None:
    """Degrees of freedom and F; ``None`` where no ``x`` was repeated, or no third one is there to be off the line."""
    levels = np.unique(xs)
    pure = float(sum(np.sum((ys[xs == level] - ys[xs == level].mean()) ** 2) for level in levels))
    off, repeated = len(levels) - 2, len(xs) - len(levels)
    if off < 1 or repeated < 1 or pure <= 0:
        return None
    return off, repeated, max(0.0, residual - pure) / off / (pure / repeated)


def usl_fit(n: ArrayLike, throughput: ArrayLike) -> UslFit:
    """Gunther's universal scalability law by non-linear least squares, all three parameters at 0 or above.

    Raises ValueError for fewer than four points.
    """
    need("scipy", "bench-report", "a fit of the scalability law")
    from scipy.optimize import curve_fit

    ns, xs = np.asarray(n, dtype=np.float64), np.asarray(throughput, dtype=np.float64)
    if len(ns) < 4:
        raise ValueError(f"three parameters need four points or more; got {len(ns)}")
    gain = float(np.max(xs / ns))
    # in units of the gain, so that all three parameters are of a size that the solver likes
    found, covariance = curve_fit(_usl, ns, xs / gain, bounds=(0, np.inf), x_scale="jac")
    scale = (gain, 1.0, 1.0)
    halves = float(t_quantile(len(ns) - 3, 1 - TAIL)) * np.sqrt(np.maximum(np.diag(covariance), 0))
    estimates = [_around(float(v) * s, float(h) * s, 0.0) for v, h, s in zip(found, halves, scale, strict=True)]
    contention, coherence = float(found[1]), float(found[2])
    residual = float(np.sum((xs / gain - _usl(ns, *found)) ** 2))
    return UslFit(
        gain=estimates[0],
        contention=estimates[1],
        coherence=estimates[2],
        r2=1 - residual / float(np.sum((xs / gain - np.mean(xs / gain)) ** 2)) if np.ptp(xs) > 0 else 1.0,
        peak=math.sqrt((1 - contention) / coherence) if coherence > 1e-9 and contention < 1 else None,
    )


def _usl(n: NDArray[np.float64], gain: float, contention: float, coherence: float) -> NDArray[np.float64]:
    return gain * n / (1 + contention * (n - 1) + coherence * n * (n - 1))


def _around(value: float, half: float, floor: float = -math.inf) -> Estimate:
    if not math.isfinite(half):
        return Estimate(value=value)
    return Estimate(value=value, low=max(floor, value - half), high=value + half)


def knee(rates: Sequence[float], objectives: Sequence[Percentile], limit: float) -> Estimate | None:
    """The highest rate at which the percentile that an objective is about stays within ``limit`` seconds.

    More load never helps, so a non-decreasing curve is fitted to the percentiles (isotonic regression of their
    logarithms), and to the ends of their intervals; the knee is where it crosses the limit. An end that is unknown says
    nothing, and its rate is left out of that curve. ``None``: even the lowest rate is beyond the limit. ``low`` is 0
    where no rate is surely within it; no ``high``: no rate is surely beyond it.
    """
    order = np.argsort(rates)
    xs = np.asarray(rates, dtype=np.float64)[order]
    chosen = [objectives[i] for i in order]
    value = _crossing(xs, [p.value for p in chosen], limit)
    if value is None:
        return None
    upper = [p.low is not None or p.high is not None for p in chosen]  # without a high, it reaches into the failed
    lower = [p.low is not None for p in chosen]
    worst = _crossing(xs[upper], [p.high for p in compress(chosen, upper)], limit) if any(upper) else None
    best = _crossing(xs[lower], [p.low for p in compress(chosen, lower)], limit) if any(lower) else math.inf
    breaks = any(lower) and (best is None or best < xs[lower][-1])
    last, broken = _bracket(xs, value)
    return Estimate(
        value=value,
        low=min(last, 0.0 if worst is None else worst),
        high=max(broken, best or 0.0) if breaks and broken is not None else None,
    )


def _bracket(xs: NDArray[np.float64], value: float) -> tuple[float, float | None]:
    """The rates that were tried on both sides of ``value``: between them nothing was measured."""
    above = xs[xs > value]
    return float(xs[xs <= value][-1]), float(above[0]) if len(above) else None


def _crossing(xs: NDArray[np.float64], values: Sequence[float | None], limit: float) -> float | None:
    """The rate at which the fitted curve reaches the limit; the last rate where it never does."""
    ratios = [math.inf if value is None else value / limit for value in values]
    fitted = _never_falling([math.log(min(max(ratio, 1 / WORST), WORST)) for ratio in ratios])
    if fitted[0] > 0:
        return None
    if fitted[-1] <= 0:
        return float(xs[-1])
    i = next(place for place, ratio in enumerate(fitted) if ratio > 0)
    share = -fitted[i - 1] / (fitted[i] - fitted[i - 1])
    return float(xs[i - 1] + share * (xs[i] - xs[i - 1]))


def _never_falling(values: Sequence[float]) -> list[float]:
    """The closest sequence that never falls, by least squares: neighbours that fall are pooled (Barlow 1972)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while pools and pools[-1][0] >= mean:
            earlier, count = pools.pop()
            mean, size = (earlier * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    return [mean for mean, size in pools for _ in range(size)]
