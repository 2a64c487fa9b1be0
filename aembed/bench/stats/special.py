"""Distribution functions of statistical tests, from the regularised incomplete beta function.

Measuring needs these few functions and no more; scipy.special has them too, and takes 0.4 s and 100 MB.
The continued fraction is that of Press et al., Numerical Recipes, section 6.4; tests compare with scipy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

TINY = 1e-300
"""In place of a zero that would be divided by."""
ROUNDS = 100_000
"""Terms of the fraction: some multiple of the square root of its parameters is enough."""
CLOSE = 1e-15
"""Relative change that ends a series."""
SOLVED = 1e-12
"""Relative change that ends the search for a quantile."""


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # on this side of the mean the fraction converges slowly
        return 1.0 - beta_cdf(1 - x, b, a)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of I_x(a, b), by the modified method of Lentz."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < CLOSE:
            break
    return 1 / value


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p."""
    return _solve(lambda x: beta_cdf(x, a, b), p, 0.0, 1.0)


def binomial_cdf(k: int, n: int, q: float) -> float:
    """P(B <= k) for B successes of n with probability q."""
    if k < 0:
        return 0.0
    return 1.0 if k >= n else beta_cdf(1 - q, n - k, k + 1)


def binomial_quantile(p: float, n: int, q: float) -> int:
    """The smallest k with P(B <= k) >= p: looked for around that of the normal distribution, ever further away."""
    low = high = min(max(round(n * q + normal_quantile(p) * math.sqrt(n * q * (1 - q))), -1), n)
    step = 1
    if binomial_cdf(low, n, q) >= p:
        while binomial_cdf(low, n, q) >= p:  # none is below -1
            low, high, step = max(low - step, -1), low, 2 * step
    else:
        while binomial_cdf(high, n, q) < p:
            low, high, step = high, min(high + step, n), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_cdf(middle, n, q) >= p else (middle, high)
    return high


def t_cdf(df: float, t: float) -> float:
    """P(T <= t) for Student's t with ``df`` degrees of freedom."""
    tail = beta_cdf(df / (df + t * t), df / 2, 0.5) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(256)
def t_quantile(df: float, p: float) -> float:
    """The t with P(T <= t) = p."""
    if p < 0.5:
        return -t_quantile(df, 1 - p)
    high = 1.0
    while t_cdf(df, high) < p:
        high *= 2
    return _solve(lambda t: t_cdf(df, t), p, 0.0, high)


def f_tail(n: float, d: float, x: float) -> float:
    """P(F > x) for Fisher's F with ``n`` and ``d`` degrees of freedom."""
    return beta_cdf(d / (d + n * x), d / 2, n / 2)


def normal_quantile(p: float) -> float:
    """The z with P(Z <= z) = p."""
    return NormalDist().inv_cdf(p)


def _solve(rising: Callable[[float], float], p: float, low: float, high: float) -> float:
    """By false position; an end that stays counts as half as far off (the Illinois method), so that both close in."""
    below, above, stayed = rising(low) - p, rising(high) - p, 0
    middle = (low + high) / 2
    for step in range(200):
        last, middle = middle, (low * above - high * below) / (above - below) if step % 8 else (low + high) / 2
        if (step > 1 and abs(middle - last) <= SOLVED * abs(middle)) or not low < middle < high:
            break
        found = rising(middle) - p
        if found >= 0:
            high, above, below = middle, found, below / 2 if stayed < 0 else below
            stayed = -1
        else:
            low, below, above = middle, found, above / 2 if stayed > 0 else above
            stayed = 1
    return middle
