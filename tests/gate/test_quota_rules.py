"""A quota and the rule of its server: how long its window is, and what it holds. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.quota import ResourceQuota
from tests.gate.quotas import bucket, fixed, reported, sent


@pytest.mark.parametrize(("burst", "window_s"), [(60.0, 60.0), (54.0, 60.0), (53.9, 53.9), (10.0, 10.0), (8.0, 10.0)])
def test_the_window_is_as_long_as_what_it_holds(burst: float, window_s: float) -> None:
    quota = reported()
    quota.burst = burst
    assert quota.window_s == pytest.approx(window_s)
    assert quota.is_short is (burst < 54.0)


def test_a_bucket_holds_no_more_than_a_minutes_quota_and_one_at_least() -> None:
    assert (bucket(holds=20.0).burst, bucket(holds=20.0).capacity) == (20.0, 21.0)
    assert (bucket(holds=90.0).burst, bucket(holds=90.0).capacity) == (60.0, 60.0)
    assert bucket(holds=0.1).burst == 1.0


def test_a_window_holds_the_limit_again() -> None:
    quota = bucket(holds=20.0)
    quota.use_as_window()
    assert (quota.rule, quota.burst, quota.capacity) == ("window", 60.0, 60.0)
    quota.use_as_bucket(20.0)
    quota.use_as_unknown()
    assert (quota.rule, quota.capacity, quota.window_end) == ("unknown", 60.0, math.inf)


def test_a_short_window_has_the_seconds_of_what_remained_or_of_the_longest_reset() -> None:
    quota = reported()
    quota.holds = 5.0
    quota.use_as_short(4.0)
    assert (quota.rule, quota.span) == ("short", 5.0)
    quota.use_as_short(7.0)
    assert quota.span == 7.0
    small = bucket(holds=20.0)
    small.holds = 5.0
    small.use_as_fixed(30.0)
    small.use_as_short(5.0)
    assert (small.capacity, small.window_end) == (60.0, math.inf), "nothing of another rule is left"


def test_a_quota_holds_one_unit_at_least() -> None:
    quota = reported(0.5)
    quota.use_as_window()
    assert (quota.burst, quota.capacity) == (1.0, 1.0)
    short = reported(60.0)
    short.use_as_fixed(30.0)
    short.burst = 1.0
    slow = ResourceQuota(12.0)
    slow.use_as(short)
    assert (slow.burst, slow.level) == (1.0, 1.0), "a fifth of one, by its rate"


def test_only_a_stated_limit_holds_for_each_minute_of_a_short_window() -> None:
    """Two windows of 40 seconds begin within a minute."""
    for stated, earliest in ((None, 41.0), (60.0, 60.0)):
        quota = reported(stated=stated)
        quota.holds = 40.0
        quota.use_as_short(40.0)
        sent(quota, 0.0, 40.0)
        assert quota.earliest(41.0, 40.0) == pytest.approx(earliest)


def test_the_use_of_others_is_forgotten_once_the_end_of_a_window_is_known() -> None:
    quota = reported()
    quota.window.add_foreign(0.0, 10.0, 60.0)
    sent(quota, 0.0, 5.0)
    quota.use_as_fixed(30.0)
    assert (quota.window.used, quota.window.others) == (5.0, 0.0)
    quota.window.add_foreign(0.0, 10.0, 60.0)
    quota.use_as_fixed(29.0)
    assert quota.window.used == 15.0, "it is known already"


def test_the_rule_of_the_quota_that_is_reported_is_that_of_the_others() -> None:
    for told, rule in [(bucket(600.0, 100.0), "bucket"), (fixed(600.0, 30.0), "fixed"), (reported(600.0), "unknown")]:
        silent = ResourceQuota(60.0)
        silent.use_as(told)
        assert silent.rule == rule
    silent = ResourceQuota(60.0)
    silent.commit(0.0, 4.0, False)
    silent.use_as(bucket(600.0, 100.0))
    assert (silent.burst, silent.level) == (10.0, 6.0)
    silent.use_as(bucket(600.0, 300.0))
    assert silent.burst == 10.0, "it is one already"
    silent.use_as(reported(600.0))
    assert silent.rule == "unknown"


def test_the_end_of_a_fixed_window_is_that_of_the_reported_quota() -> None:
    silent = ResourceQuota(60.0)
    sent(silent, 0.0, 20.0)
    silent.use_as(fixed(600.0, 30.0))
    assert (silent.window_end, silent.level) == (30.0, 40.0)
    silent.use_as(fixed(600.0, 31.0))
    assert silent.window_end == 31.0


@pytest.mark.parametrize(("holds", "burst"), [(540.0, 60.0), (530.0, 53.0)])
def test_a_fixed_window_that_holds_less_than_nine_tenths_is_a_short_one(holds: float, burst: float) -> None:
    told, silent = fixed(600.0, 30.0), ResourceQuota(60.0)
    told.burst = holds
    silent.use_as(told)
    assert silent.burst == pytest.approx(burst)
