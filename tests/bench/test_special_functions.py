"""Special functions and slopes, compared with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from aembed.bench.stats.sample import theil_sen
from aembed.bench.stats.special import beta_cdf, beta_quantile, binomial_quantile, f_tail, t_cdf, t_quantile


def test_special_functions() -> None:
    from scipy import special

    for x, a, b in [(0.1, 0.5, 2), (0.93, 1000, 77), (0.5, 3, 3), (0.999, 9e5, 0.5)]:
        assert beta_cdf(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-11)
    for p, n, q in [(0.025, 10, 0.5), (0.975, 1000, 0.999), (0.5, 2_000_000, 0.3), (0.001, 3, 0.1), (0.999, 1, 0.001)]:
        assert binomial_quantile(p, n, q) == oracle.binom.ppf(p, n, q)
    for p, a, b in [(0.0025, 18.6, 21146), (0.975, 1, 0.4), (0.025, 90_000, 78_000), (0.5, 0.2, 0.1)]:
        assert beta_quantile(p, a, b) == pytest.approx(oracle.beta.ppf(p, a, b), abs=1e-11)
    for df, p in [(1, 0.9), (4, 0.025), (30, 0.975), (5000, 0.9999)]:
        assert t_quantile(df, p) == pytest.approx(oracle.t.ppf(p, df), abs=1e-9)
        assert t_cdf(df, 1.3) == pytest.approx(oracle.t.cdf(1.3, df), abs=1e-12)
    assert f_tail(3, 20, 2.5) == pytest.approx(oracle.f.sf(2.5, 3, 20), abs=1e-12)


def test_theil_sen_is_that_of_scipy() -> None:
    dice = np.random.default_rng(5)
    for ties in (False, True):
        x = np.arange(40.0) // (2 if ties else 1)
        y = np.round(0.3 * x + dice.normal(0, 2, 40), 1 if ties else 8)
        fit, found = oracle.theilslopes(y, x, 0.95), theil_sen(x, y)
        assert (found.value, found.low, found.high) == pytest.approx((fit.slope, fit.low_slope, fit.high_slope))
