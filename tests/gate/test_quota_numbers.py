"""One quota under each rule: when an amount is admitted, what is left over, what remains. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate import miscount
from aembed._gate.quota import ResourceQuota
from tests.gate.quotas import bucket, fixed, reported, sent

MARGIN = 1e-6


def test_nothing_is_known_of_a_new_one() -> None:
    quota = ResourceQuota()
    assert (quota.limit, quota.rate, quota.capacity, quota.burst, quota.rule) == (
        None,
        math.inf,
        math.inf,
        math.inf,
        "unknown",
    )
    assert quota.earliest(5.0, 1e9) == 5.0
    assert (quota.remaining(5.0), quota.left_over(5.0, 1e9)) == (None, math.inf)
    assert not quota.never_allows(1e9)
    assert quota.usual_query() == 0.0


@pytest.mark.parametrize(("amount", "never"), [(60.0, False), (60.5, True)])
def test_more_than_a_minute_or_a_day_holds_is_never_allowed(amount: float, never: bool) -> None:
    assert ResourceQuota(60.0).never_allows(amount) is never
    assert ResourceQuota(1000.0, 60.0).never_allows(amount) is never


def test_a_limit_below_one_lets_one_through() -> None:
    quota = ResourceQuota(0.5)
    assert (quota.capacity, quota.rate) == (1.0, 0.5 / 60)
    assert not quota.never_allows(1.0)


def test_without_a_rule_an_amount_waits_until_enough_of_the_minute_has_expired() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, 30.0)
    sent(quota, 20.0, 20.0)
    assert quota.earliest(20.0, 10.0) == 20.0
    assert quota.earliest(20.0, 11.0) == pytest.approx(70.0 + MARGIN, abs=1e-9)
    assert quota.earliest(70.1, 41.0) == pytest.approx(80.0 + MARGIN, abs=1e-9)


def test_what_is_set_aside_must_be_left_as_well() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, 30.0)
    assert quota.earliest(20.0, 20.0, 10.0) == 20.0
    assert quota.earliest(20.0, 20.0, 10.5) > 20.0


def test_a_bucket_refills_all_the_time() -> None:
    quota = bucket(holds=20.0)
    sent(quota, 10.0, 15.0)
    assert quota.earliest(10.0, 5.0) == 10.0
    assert quota.earliest(10.0, 8.0) == 13.0
    assert quota.earliest(11.0, 8.0) == 13.0
    assert quota.earliest(13.0, 8.0) == 13.0
    assert quota.earliest(10.0, 30.0) == quota.earliest(10.0, 20.0), "more than it holds waits until it is full"


def test_a_fixed_window_is_whole_again_at_its_end() -> None:
    quota = fixed()
    sent(quota, 10.0, 55.0)
    assert quota.earliest(10.0, 5.0) == 10.0
    assert quota.earliest(10.0, 6.0) == 30.0
    quota.advance(29.9)
    assert quota.level == 5.0
    quota.advance(30.0)
    assert (quota.level, quota.window_began, quota.window_end) == (60.0, 30.0, 90.0)


def test_what_is_in_flight_when_a_fixed_window_ends_may_count_in_the_next() -> None:
    quota = fixed()
    quota.commit(29.0, 20.0, False)
    quota.advance(30.0)
    assert quota.level == 40.0


def test_a_stated_limit_holds_whatever_a_bucket_would_admit() -> None:
    """Replies report 120 a minute, and the user allows 60."""
    quota = reported(120.0, stated=60.0)
    assert (quota.limit, quota.is_capped) == (60.0, True)
    quota.use_as_bucket(60.0)
    sent(quota, 0.0, 60.0)
    quota.level = 60.0  # as its headers say
    assert quota.earliest(0.0, 6.0) > 6.0 - 1e-9
    assert reported(60.0, stated=120.0).is_capped is False
    assert reported(60.0, stated=60.0).is_capped is False


def test_a_day_is_used_up_until_its_entries_expire() -> None:
    quota = ResourceQuota(None, 100.0)
    assert quota.earliest(10.0, 100.0) == 10.0
    sent(quota, 10.0, 60.0)
    assert quota.earliest(20.0, 40.0) == 20.0
    assert quota.earliest(20.0, 41.0) == pytest.approx(86_410.0, abs=1e-5)
    assert quota.left_over(20.0, 30.0) == 10.0
    quota.correct(5.0, 0.0, False)
    assert quota.left_over(20.0, 30.0) == 5.0
    assert quota.earliest(86_411.0, 100.0) == 86_411.0


def test_an_amount_larger_than_a_day_is_not_waited_for_while_nothing_is_used() -> None:
    assert ResourceQuota(None, 100.0).earliest(10.0, 101.0) == 10.0


def test_a_day_may_be_given_and_taken_back() -> None:
    quota = ResourceQuota(None, 100.0)
    sent(quota, 10.0, 60.0)
    quota.state(None, 200.0)
    assert quota.left_over(20.0, 30.0) == 110.0, "what was sent stays counted"
    quota.state(None, None)
    assert (quota.day, quota.a_day, quota.earliest(20.0, 1e9)) == (None, math.inf, 20.0)


def test_new_limits_of_the_user_count_what_was_sent() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, 30.0)
    quota.state(40.0, None)
    assert (quota.limit, quota.capacity) == (40.0, 40.0)
    assert quota.earliest(20.0, 10.0) == 20.0
    assert quota.earliest(20.0, 11.0) > 20.0
    quota.state(None, None)
    assert (quota.limit, quota.earliest(20.0, 1e6)) == (None, 20.0)


def test_a_limit_of_the_user_never_raises_a_reported_one() -> None:
    quota = reported(60.0)
    quota.state(100.0, None)
    assert quota.limit == 60.0
    quota.state(40.0, None)
    assert quota.limit == 40.0
    assert quota.set_limit(50.0) is False
    assert quota.set_limit(30.0) is True
    assert quota.limit == 30.0


def test_the_level_and_the_burst_follow_a_limit_that_falls() -> None:
    quota = ResourceQuota(60.0)
    assert (quota.burst, quota.level) == (60.0, 60.0)
    quota.state(30.0, None)
    assert (quota.burst, quota.level, quota.rate) == (30.0, 30.0, 0.5)
    quota.burst = 10.0
    quota.state(90.0, None)
    assert quota.burst == 10.0, "a window known to be short stays short"


def test_what_may_be_used_now_without_a_delay_of_an_amount_that_waits() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 0.0, 60.0)
    quota.advance(40.0)
    assert quota.left_over(40.0, 45.0) == pytest.approx(15.0, abs=1e-3)
    assert bucket(holds=20.0).left_over(0.0, 15.0) == 5.0
    half = fixed()
    sent(half, 10.0, 30.0)
    assert half.left_over(10.0, 20.0) == 10.0
    stated = reported(60.0, stated=60.0)
    stated.use_as_bucket(60.0)
    sent(stated, 0.0, 40.0)
    stated.level = 60.0  # as its headers say; the user allows 20 more
    assert stated.left_over(0.0, 15.0) == 5.0
    assert quota.left_over(40.0, 61.0) == 0.0


def test_what_remains_is_the_least_of_level_and_minute() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, 30.0)
    assert [quota.remaining(now) for now in (10.0, 20.0, 69.0, 70.0)] == [30.0, 30.0, 30.0, 60.0]
    assert quota.remaining(5.0) == 30.0
    full = bucket(holds=20.0)
    sent(full, 10.0, 15.0)
    assert [full.remaining(now) for now in (10.0, 12.0, 30.0)] == [5.0, 7.0, 20.0]
    half = fixed()
    sent(half, 10.0, 55.0)
    assert [half.remaining(now) for now in (10.0, 29.0, 30.0)] == [5.0, 5.0, 60.0]


def test_a_429_leaves_no_room_for_what_was_rejected() -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, 20.0)
    miscount.correct(quota, 10.0, 15.0)
    assert (quota.window.used, quota.window.others) == (45.0, 0.0)
    miscount.correct(quota, 10.0, 15.0)
    assert quota.window.used == 45.0
    for known in (bucket(), fixed()):
        sent(known, 10.0, 45.0)  # 15 are left, and the server rejects the last 15
        known.commit(10.0, 15.0, is_query=False)
        miscount.correct(known, 10.0, 15.0)
        known.correct(-15.0, 45.0, is_query=False)
        assert known.level == pytest.approx(15.0)
        assert known.earliest(10.0, 15.0) > 10.0


@pytest.mark.parametrize(("used", "explained"), [(56.9, False), (57.0, True)])
def test_a_minute_used_to_95_hundredths_explains_a_429(used: float, explained: bool) -> None:
    quota = ResourceQuota(60.0)
    sent(quota, 10.0, used)
    assert miscount.explains(quota, 10.0, None) is explained
    assert miscount.explains(ResourceQuota(), 10.0, None) is False


@pytest.mark.parametrize(("level", "explained"), [(15.1, False), (15.0, True)])
def test_a_bucket_explains_it_by_its_level_and_a_twentieth_of_what_is_in_flight(level: float, explained: bool) -> None:
    for quota in (bucket(), fixed()):
        quota.commit(0.0, 100.0, False)
        quota.level = level
        assert miscount.explains(quota, 10.0, None) is explained


@pytest.mark.parametrize(
    ("until", "explained"), [(27.9, False), (28.0, True), (32.0, True), (32.1, False), (None, True)]
)
def test_a_retry_after_that_does_not_end_with_a_fixed_window_has_another_reason(
    until: float | None, explained: bool
) -> None:
    quota = fixed()
    quota.level = 0.0
    assert miscount.explains(quota, 10.0, until) is explained


def test_a_retry_after_that_ends_with_a_fixed_window_shows_it_full_whatever_is_counted() -> None:
    quota = fixed()
    assert quota.level == 60.0
    assert miscount.explains(quota, 10.0, 30.0)
    assert not miscount.explains(quota, 10.0, None)


def test_a_correction_that_a_header_includes_is_not_counted_a_second_time() -> None:
    quota = bucket()
    quota.commit(0.0, 10.0, False)
    quota.synced_to = 10.0
    quota.correct(5.0, 9.0, False)
    assert (quota.level, quota.window.used) == (50.0, 15.0)
    quota.correct(5.0, 10.0, False)
    assert (quota.level, quota.window.used) == (45.0, 20.0)


def test_queries_are_counted_as_the_use_of_others() -> None:
    quota = ResourceQuota(600.0, 10_000.0)
    sent(quota, 10.0, 8.0, is_query=True)
    assert (quota.window.used, quota.window.others, quota.sent) == (8.0, 8.0, 8.0)
    assert quota.day is not None
    assert quota.day.others == 8.0
    assert quota.usual_query() == 8.0
    sent(quota, 11.0, 18.0, is_query=True)
    assert quota.usual_query() == 9.0, "a mean of about ten"
