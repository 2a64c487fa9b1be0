"""One quota where two of its bounds meet: a stated limit and a bucket, a reserve and a level. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.quota import ResourceQuota
from aembed._gate.window import Window
from tests.gate.quotas import bucket, fixed, reported, sent


def stated_bucket(stated: float = 120.0, limit: float = 120.0) -> ResourceQuota:
    """Replies report a bucket of a minute's quota, and the user states a limit."""
    quota = reported(limit, stated=stated)
    quota.use_as_bucket(stated)
    return quota


def queries(quota: ResourceQuota, now: float, count: int, amount: float = 1.0) -> None:
    for _ in range(count):
        sent(quota, now, amount, is_query=True)


def test_nothing_is_counted_of_a_new_one() -> None:
    quota = ResourceQuota()
    assert (quota.holds, quota.span, quota.sent, quota.usual_query()) == (0.0, 0.0, 0.0, 0.0)


def test_a_stated_limit_refills_at_its_rate() -> None:
    """100 of 120 are used, and headers show more: ten more than the 20 that are left take five seconds."""
    quota = stated_bucket()
    sent(quota, 0.0, 90.0)
    quota.correct(10.0, 0.0, is_query=False)
    quota.level = 120.0
    assert quota.earliest(0.0, 20.0) == 0.0
    assert quota.earliest(0.0, 30.0) == 5.0
    quota.state(120.0, None)
    quota.level = 120.0
    assert quota.earliest(0.0, 30.0) == 5.0, "what was sent stays counted"


def test_a_stated_limit_below_one_lets_one_through() -> None:
    quota = stated_bucket(0.5, 0.5)
    sent(quota, 0.0, 1.0)
    quota.level = 1.0
    assert quota.earliest(0.0, 1.0) == 120.0


def test_no_minute_sees_more_than_a_stated_limit_below_the_reported_one() -> None:
    """Its bucket alone would let 20 of them through after half a minute."""
    quota = stated_bucket(60.0)
    sent(quota, 0.0, 60.0)
    quota.advance(30.0)
    assert quota.earliest(30.0, 20.0) == pytest.approx(60.0, abs=1e-5)
    quota.advance(40.0)
    quota.level = 60.0
    assert quota.left_over(40.0, 45.0) == pytest.approx(15.0, abs=1e-3), "when the 60 have expired"


def test_a_whole_quota_waits_until_the_last_unit_has_expired() -> None:
    quota = ResourceQuota(60.0, 100.0)
    sent(quota, 0.0, 1.0)
    assert quota.earliest(0.0, 60.0) == pytest.approx(60.0, abs=1e-5)
    day = ResourceQuota(None, 100.0)
    sent(day, 0.0, 1.0)
    assert day.earliest(0.0, 100.0) == pytest.approx(86_400.0, abs=1e-5)


def test_what_has_expired_of_a_day_does_not_hide_what_has_not() -> None:
    quota = ResourceQuota(None, 100.0)
    sent(quota, 0.0, 50.0)
    sent(quota, 40_000.0, 40.0)
    assert quota.earliest(86_500.0, 61.0) == pytest.approx(126_400.0, abs=1e-5)


def test_a_document_that_fits_along_with_the_queries_of_this_minute_does_not_wait_for_those_of_the_next() -> None:
    quota = ResourceQuota(60.0)
    queries(quota, 0.0, 40)
    assert [quota.earliest(0.0, amount, leave_reserve=True) for amount in (18.0, 20.0)] == [0.0, 0.0]
    assert quota.earliest(0.0, 21.0, leave_reserve=True) > 50.0


def test_a_document_that_waits_for_the_reserve_alone_looks_again_soon() -> None:
    """A fifth of 60 is left to queries at most, which take seven seconds to come."""
    quota = bucket()
    queries(quota, 0.0, 30)
    quota.level = 20.0
    assert quota.earliest(0.0, 15.0, leave_reserve=True) == 0.5
    assert quota.earliest(0.0, 15.0, 12.0, leave_reserve=True) == 7.0
    quota.level = 0.0
    assert quota.earliest(0.0, 15.0, leave_reserve=True) == 27.0


@pytest.mark.parametrize(
    ("quota", "level", "left"),
    [
        (bucket(), 5.0, 0.0),
        (bucket(), 15.0, 5.0),
        (fixed(), 5.0, math.inf),
        (fixed(), 10.0, 0.0),
        (fixed(), 15.0, 5.0),
    ],
)
def test_the_end_of_a_fixed_window_refills_what_one_that_waits_does_not_find(
    quota: ResourceQuota, level: float, left: float
) -> None:
    quota.level = level
    assert quota.left_over(0.0, 10.0) == left


def test_the_level_says_nothing_of_a_short_window() -> None:
    quota = reported()
    quota.holds = 5.0
    quota.use_as_short(5.0)
    quota.level = 0.0
    assert quota.left_over(0.0, 10.0) == math.inf


def test_what_remains_is_not_negative_and_refills_at_the_rate() -> None:
    quota = bucket(120.0, 60.0)
    quota.level = -5.0
    assert [quota.remaining(now) for now in (0.0, 2.0, 4.0)] == [0.0, 0.0, 3.0]


def test_the_reserve_in_a_window_of_the_pace_is_a_fifth_of_what_that_holds_at_most() -> None:
    quota = ResourceQuota(600.0)
    queries(quota, 0.0, 100)
    assert quota.reserve(0.0, Window(1.0)) == 0.0
    assert quota.reserve(0.0, Window(10.0)) == 20.0
    few = ResourceQuota(600.0)
    queries(few, 0.0, 1)
    few.advance(50.0)
    assert few.reserve(50.0, Window(10.0)) == 1.0, "0.2 + 2 * sqrt(0.2 * 1.2)"


def test_the_reserve_in_a_fixed_window_is_for_the_time_until_it_ends() -> None:
    quota = fixed(600.0, 30.0)
    queries(quota, 0.0, 10)
    quota.advance(20.0)
    assert quota.reserve(20.0) == 14.0, "5 + 3 * sqrt(5 * 1.5), rounded up"


def test_a_query_of_half_a_unit_is_a_usual_one() -> None:
    quota = ResourceQuota(600.0)
    queries(quota, 0.0, 1, 0.5)
    assert quota.usual_query() == 0.5


def test_a_window_that_seemed_whole_stays_so_at_another_limit() -> None:
    quota = ResourceQuota(60.0)
    quota.state(120.0, None)
    assert (quota.burst, quota.capacity, quota.window_s) == (120.0, 120.0, 60.0)
    quota.burst = 20.0
    assert quota.window_s == 10.0


def test_a_stated_limit_that_was_in_force_may_be_raised() -> None:
    quota = reported(100.0, stated=60.0)
    quota.state(80.0, None)
    assert quota.limit == 80.0


def test_the_window_of_a_silent_quota_holds_what_was_not_sent_in_it() -> None:
    silent = ResourceQuota(60.0)
    sent(silent, 0.0, 20.0)
    silent.advance(20.0)
    assert silent.level == 60.0, "without a rule it refills"
    silent.use_as(fixed(600.0, 30.0))
    assert silent.level == 40.0
    silent.level = 60.0
    silent.use_as(fixed(600.0, 31.0))
    assert (silent.level, silent.window_end) == (60.0, 31.0), "it is one already"
    silent.use_as(reported(600.0))
    assert (silent.rule, silent.window_end) == ("unknown", math.inf)


def test_requests_in_flight_are_not_free_in_the_short_window_of_a_silent_quota() -> None:
    told, silent = fixed(600.0, 30.0), ResourceQuota(120.0)
    told.burst = 100.0
    silent.commit(0.0, 5.0, False)
    silent.use_as(told)
    assert (silent.burst, silent.level) == (20.0, 15.0)


def test_a_silent_quota_stays_a_bucket_of_the_same_seconds_whatever_else_is_no_bucket() -> None:
    silent = ResourceQuota(120.0)
    silent.use_as(bucket(600.0, 100.0))
    assert silent.burst == 20.0
    told = reported(600.0)
    told.use_as_window()
    silent.use_as(told)
    assert (silent.rule, silent.burst) == ("bucket", 20.0)


def test_at_two_a_second_a_bucket_refills_twice_as_fast() -> None:
    quota = bucket(120.0, 60.0)
    sent(quota, 0.0, 60.0)
    assert quota.earliest(0.0, 10.0) == 5.0


def test_what_is_left_over_refills_until_one_that_waits_is_admitted() -> None:
    """A hundred expire after a minute; a request that waits ten seconds for them sees twenty more refilled."""
    quota = ResourceQuota(120.0)
    sent(quota, 0.0, 100.0)
    quota.advance(50.0)
    quota.level = 25.0
    assert quota.left_over(50.0, 30.0) == pytest.approx(15.0, abs=1e-4)
    quota.level = 120.0
    assert quota.left_over(50.0, 30.0) == pytest.approx(90.0, abs=1e-4)
    assert quota.left_over(50.0, 15.0) == 5.0, "it fits already"
