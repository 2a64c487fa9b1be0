"""Shares of requests, such as those slower than an objective allows: intervals, decisions, and what would decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aembed.bench.stats.special import beta_cdf, beta_quantile, normal_quantile, t_quantile

MOST_TIMES = 1000.0
"""A run that many times as long is no advice: the share is too close to its limit."""


@dataclass(frozen=True, slots=True)
class ShareSample:
    """``bad`` of ``count`` requests, which say as much as ``size`` independent ones."""

    bad: int
    count: int
    size: float

    @classmethod
    def of_groups(cls, bad: ArrayLike, sizes: ArrayLike) -> ShareSample:
        """Requests in groups such as blocks or windows, dependent on each other within a group as they may be.

        The spread between groups gives the effective size: the number of independent requests that say as much. Few
        groups give it badly, and the size allows for that as Student's t does (Korn and Graubard 1998).
        """
        worse, each = np.asarray(bad, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
        count, groups = float(each.sum()), int(np.count_nonzero(each))
        share = float(worse.sum()) / max(1.0, count)
        variance = float(((worse - share * each) ** 2).sum()) / max(1.0, count) ** 2 * groups / max(1, groups - 1)
        size = count if variance <= 0 else min(count, share * (1 - share) / variance)
        unsure = normal_quantile(0.975) / t_quantile(max(1, groups - 1), 0.975)
        return cls(int(worse.sum()), int(count), size * unsure**2)

    @classmethod
    def of_series(cls, bad: ArrayLike, sizes: ArrayLike, tail: float) -> ShareSample:
        """Equal parts of a run one after another, of which neighbours may still depend on each other.

        They are taken for an autoregressive series, without its bias towards independence (Marriott and Pope 1954).
        The size allows for a decision with this ``tail``, farther out than that of an interval of 95 %.
        """
        worse, each = np.asarray(bad, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
        count, parts = float(each.sum()), len(each)
        share = float(worse.sum()) / max(1.0, count)
        off = worse - share * each
        squares = float((off**2).sum())
        if squares <= 0:
            return cls(int(worse.sum()), int(count), count)
        neighbours = min(max(float((off[1:] * off[:-1]).sum()) / squares + 1 / parts, 0.0), 0.9)
        independent = (1 - neighbours) / (1 + neighbours)
        variance = squares / count**2 * parts / (parts - 1)
        size = min(count, share * (1 - share) / variance) * independent
        unsure = normal_quantile(1 - tail) / t_quantile(max(1.0, (parts - 1) * independent), 1 - tail)
        return cls(int(worse.sum()), int(count), size * unsure**2)

    def interval(self, tail: float) -> tuple[float, float]:
        """Clopper-Pearson bounds of the share; it lies beyond each with a probability of ``tail`` at most."""
        bad, good = self._independent()
        low = beta_quantile(tail, bad, good + 1) if bad > 0 else 0.0
        high = beta_quantile(1 - tail, bad + 1, good) if good > 0 else 1.0
        return low, high

    def _independent(self, times: float = 1.0) -> tuple[float, float]:
        """The bad and the good among as many independent requests, ``times`` as often."""
        size = self.size * times
        bad = self.bad / self.count * size if self.count else 0.0
        return bad, size - bad

    def is_within(self, limit: float, tail: float) -> bool | None:
        """The share is surely at most ``limit``; ``False``: surely above it; ``None``: undecided."""
        return _decided(self._independent(), limit, tail)

    def times_to_decide(self, limit: float, tail: float) -> float | None:
        """The multiple of the requests that would decide, at the share measured; ``None``: it is too close to say."""
        if not self.count or _decided(self._independent(MOST_TIMES), limit, tail) is None:
            return None
        low, high = 1.0, MOST_TIMES
        while high / low > 1.02:
            middle = (low * high) ** 0.5
            undecided = _decided(self._independent(middle), limit, tail) is None
            low, high = (middle, high) if undecided else (low, middle)
        return high


def _decided(found: tuple[float, float], limit: float, tail: float) -> bool | None:
    """The side of ``limit`` that the bounds of the share lie on, without working out the bounds."""
    bad, good = found
    if good <= 0:
        return False if bad > 0 else None
    if beta_cdf(limit, bad + 1, good) >= 1 - tail:
        return True
    return False if bad > 0 and beta_cdf(limit, bad, good + 1) < tail else None


def as_decided(
    low: float | None, high: float | None, limit: float, within: bool | None
) -> tuple[float | None, float | None]:
    """The interval of a percentile, on the side of ``limit`` that was decided for, and around it where nothing was.

    The decision knows how requests beyond the limit depend on each other, the interval those beyond the percentile.
    """
    if within is None:
        return None if low is None else min(low, limit), None if high is None else max(high, limit)
    if within:
        return low, limit if high is None else min(high, limit)
    return limit if low is None else max(low, limit), high
