"""Quotas learnt from headers, and that nothing is counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gate.reported import Account, as_bucket

odd = st.sampled_from([None, -1.0, 0.0, math.nan, math.inf, -math.inf])


def as_window(stated: float | None = None) -> Account:
    account = Account(stated)
    account.quota.use_as_window()
    return account


@given(odd, odd | st.just(1e300), odd | st.just(1e300))
def test_headers_that_are_no_sensible_numbers_change_nothing(
    limit: float | None, remaining: float | None, reset: float | None
) -> None:
    account = Account(60.0)
    account.exchange(0.0, limit, remaining, reset)
    assert account.quota.limit == 60.0
    assert account.quota.earliest(0.1, 50.0) == 0.1


def test_azures_zero_of_an_unknown_limit_is_no_empty_account() -> None:
    account = Account()
    account.exchange(0.0, 0.0, 0.0, None)
    account.exchange(0.1, -1.0, 0.0, 0.0)
    assert (account.quota.limit, account.quota.earliest(0.2, 1.0)) == (None, 0.2)


def test_the_server_is_taken_to_count_half_way_between_sending_and_answer() -> None:
    account = as_bucket()
    sent = account.send(100.0)
    account.headers.sync(sent, 104.0, None, 20.0, None)
    assert account.quota.level == pytest.approx(22.0)


def test_headers_narrow_the_level_to_an_interval() -> None:
    """Six are in flight, and may or may not be counted in the twenty that the reply reports: replies may overtake."""
    for level in (0.0, 17.0, 60.0):
        account = as_bucket()
        sent = account.send(100.0)
        account.send(100.0, 5.0)
        account.quota.advance(101.0)
        account.quota.level = level
        account.headers.sync(sent, 101.0, None, 20.0, None)
        assert account.quota.level == pytest.approx(min(max(14.0, level), 20.5))


def test_while_the_rule_is_unknown_headers_only_lower_the_level() -> None:
    account = Account(60.0)
    account.send(0.0, 50.0)
    account.exchange(0.0, None, 59.0, None)
    assert account.quota.level == pytest.approx(9.1)


def test_fault_105_an_older_header_that_comes_late_is_ignored() -> None:
    account = as_bucket()
    old, new = account.send(100.0), account.send(100.0)
    account.headers.sync(new, 100.5, None, 10.0, None)
    level = account.quota.level
    account.headers.sync(old, 100.6, None, 50.0, None)
    assert account.quota.level == pytest.approx(level)


def test_a_correction_that_a_header_has_reported_already_is_not_counted_again() -> None:
    account = as_bucket(size=600.0, limit=600.0)
    first, second = account.send(100.0, 100.0), account.send(100.0, 100.0)
    quota = account.quota
    account.headers.sync(second, 100.1, None, 350.0, None)  # the server has counted 150 for the first already
    level = quota.level
    quota.correct(50.0, first.sent_before[0], is_query=False)
    assert quota.level == level
    assert quota.window.used == pytest.approx(250.0)
    newer = account.send(100.1, 10.0)
    quota.correct(5.0, newer.sent_before[0], is_query=False)
    assert quota.level == pytest.approx(level - 15.0)


def test_corrections_do_not_put_later_requests_before_earlier_ones() -> None:
    account = as_bucket(size=600.0, limit=600.0)
    sent = [account.send(100.0, 50.0) for _ in range(10)]
    for one in sent:
        account.quota.correct(-49.0, one.sent_before[0], is_query=False)
    account.headers.sync(sent[-1], 100.1, None, 500.0, None)
    newer = account.send(100.2, 50.0)
    account.headers.sync(newer, 100.3, None, 100.0, None)
    assert account.quota.level == pytest.approx(100.0 + 0.05 * 10)


def test_headers_never_raise_the_users_limit() -> None:
    account = Account(60.0)
    account.exchange(0.0, 6000.0, 5999.0, 0.01)
    assert account.quota.limit == 60.0
    account.quota.set_limit(120.0)
    assert account.quota.limit == 60.0


def test_a_limit_that_is_raised_or_lowered_on_the_way_is_taken_over() -> None:
    account = as_bucket()
    account.exchange(100.0, 120.0, 59.0, 30.0)
    assert account.quota.limit == 120.0
    account.exchange(101.0, 30.0, 29.0, 2.0)
    assert (account.quota.limit, account.quota.level <= 30.0) == (30.0, True)


def test_a_limit_that_the_user_allows_again_is_the_reported_one() -> None:
    account = Account(60.0)
    account.exchange(0.0, 100.0, 99.0, 0.6)
    account.quota.state(None, None)
    assert account.quota.limit == 60.0
    account.exchange(1.0, 120.0, 118.0, 1.2)
    assert account.quota.limit == 120.0


def test_use_of_a_window_by_others_is_counted() -> None:
    account = as_window(100.0)
    account.exchange(0.0, 100.0, 39.0, 59.0)
    assert account.quota.window.used == pytest.approx(61.0)
    assert account.quota.earliest(0.2, 40.0) > 50


def test_requests_that_overtake_each_other_are_not_taken_for_those_of_others() -> None:
    """The server has counted the second before the first, whose reply reports both; its own reply shows that."""
    account = as_window(100.0)
    first, second = account.send(0.0), account.send(0.0)
    account.reply(first, 0.1)
    account.headers.sync(first, 0.1, 100.0, 98.0, 60.0)
    assert account.quota.window.others == 1.0
    account.reply(second, 0.2)
    account.headers.sync(second, 0.2, 100.0, 98.0, 60.0)
    window = account.quota.window
    assert (window.used, window.others, window.own) == (2.0, 0.0, 2.0)


def test_requests_sent_before_a_limit_was_known_are_counted() -> None:
    account = as_window()
    account.exchange(0.0, 100.0, 30.0, 60.0, amount=0.0)
    assert account.quota.window.used == pytest.approx(70.0)


def test_use_by_others_counts_until_the_reset_that_a_reply_reports() -> None:
    account = as_window()
    account.exchange(0.0, 100.0, 30.0, 20.0, amount=0.0)
    assert account.quota.earliest(0.2, 40.0) == pytest.approx(20.1)
    assert account.quota.earliest(20.1, 100.0) == 20.1


def test_requests_sent_along_with_others_count_for_a_minute() -> None:
    account = as_window()
    account.exchange(0.0, 100.0, 30.0, 20.0, amount=0.0)
    account.reply(account.send(0.1, 25.0), 0.1)
    assert account.quota.earliest(20.1, 80.0) == pytest.approx(60.1)


def as_fixed(limit: float = 60.0, end: float = 50.0) -> tuple[Account, float]:
    """Whose replies have shown the end of a window, one every second; returns also the time of the last one."""
    account, now, left = Account(), 0.0, limit
    while account.quota.rule != "fixed":
        left -= 1
        account.exchange(now, limit, left, end - now - 0.1, takes=0.1)
        now += 1.0
    return account, now


@pytest.mark.parametrize(("sent_at", "level"), [(59.9, 60.0), (60.0, 12.0)])
def test_a_reply_says_something_of_the_window_in_which_its_request_was_sent(sent_at: float, level: float) -> None:
    account, _ = as_fixed()
    early = account.send(sent_at, 0.0)
    account.quota.window_began, account.quota.window_end = 60.0, 120.0
    account.quota.level = 60.0
    account.headers.sync(early, 60.1, 60.0, 12.0, None)
    assert account.quota.level == level


def test_requests_in_flight_are_not_free_once_the_end_of_a_window_is_known() -> None:
    """They may have been counted after the reply that showed it."""
    account, now, left = Account(), 0.0, 60.0
    flying = [account.send(0.0) for _ in range(20)]
    while account.quota.rule != "fixed":
        left -= 1
        account.exchange(now, 60.0, left, 50.0 - now - 0.1, takes=0.1)
        now += 1.0
    assert account.quota.level <= 60.0 - len(flying)


def test_a_reply_that_was_overtaken_lowers_the_level_of_a_fixed_window() -> None:
    account, now = as_fixed()
    first, second = account.send(now), account.send(now)
    account.headers.sync(second, now + 0.2, 60.0, 40.0, 50.0 - now - 0.2)
    account.headers.sync(first, now + 0.3, 60.0, 10.0, 50.0 - now - 0.3)
    assert account.quota.level <= 10.0


def test_a_window_of_ten_seconds_is_assumed_to_end_ten_seconds_after_the_last_one() -> None:
    quota = as_fixed()[0].quota
    quota.burst = quota.capacity / 6
    quota.advance(50.5)
    assert quota.window_end == pytest.approx(60.5)


@pytest.mark.parametrize("span", [20.0, 60.0])
def test_resets_that_agree_never_raise_a_stated_limit(span: float) -> None:
    """A server that counts 300 in each 20 s, and reports that as its limit, gets at most a window more than stated."""
    account, now, end, left, sent = Account(300.0), 0.0, span, 300.0, 0
    rules = set()
    while now < 240.0:
        while now >= end:
            end, left = end + span, 300.0
        when = account.quota.earliest(now, 1.0)
        if when > now:
            now = when
            continue
        left, sent = left - 1, sent + 1
        account.exchange(now, 300.0, left, end - now - 0.05)
        rules.add(account.quota.rule)
        now += 0.1
        assert sent <= 300.0 * (2 + now / 60)
    assert "fixed" in rules
    assert sent >= 300 * 4
