"""The headers of one reply: which values count, and how far they move a quota. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.headers import Headers
from aembed._gate.quota import ResourceQuota
from aembed._gate.reservation import Reservation
from tests.gate.reported import Account, as_bucket
from tests.gate.test_headers import as_fixed, as_window


@pytest.mark.parametrize(
    ("limit", "adopted"), [(0.001, True), (0.0009, False), (1e12, True), (1.1e12, False), (0.0, False), (1.0, True)]
)
def test_limits_from_a_thousandth_to_a_million_millions_are_sensible(limit: float, adopted: bool) -> None:
    account = Account()
    account.exchange(0.0, limit, None, None)
    assert account.quota.limit == (limit if adopted else None)


def test_a_reply_of_the_request_that_was_heard_last_counts_again() -> None:
    account = as_bucket()
    sent = account.send(100.0)
    account.headers.sync(sent, 100.0, None, 20.0, None)
    account.headers.sync(sent, 100.0, None, 10.0, None)
    assert account.quota.level == 10.0


def test_a_quota_of_nothing_holds_one() -> None:
    account = Account()
    account.exchange(0.0, 0.5, 0.0, None, amount=0.0)
    assert account.quota.burst == 1.0


def test_of_tokens_in_flight_the_estimates_are_unsure() -> None:
    """40 are used by others, unless ten in flight were counted twenty times over."""
    quota = ResourceQuota()
    quota.use_as_window()
    sent = Reservation("document", tokens=10.0)
    quota.commit(0.0, 10.0, is_query=False)
    Headers(quota, 1).sync(sent, 0.0, 100.0, 40.0, 30.0)
    assert quota.window.foreign_used == 40.0


def test_the_use_by_others_before_the_first_reply_is_no_rate() -> None:
    account = as_window()
    account.exchange(0.0, 100.0, 30.0, 60.0)
    assert (account.quota.window.foreign_used, account.quota.window.others) == (69.0, 0.0)
    account.exchange(0.2, 100.0, 29.0, 60.0)
    assert account.quota.window.others == 0.0, "it was our own"
    account.exchange(0.4, 100.0, 18.0, 60.0)
    assert account.quota.window.others == 10.0


@pytest.mark.parametrize(("reset", "used"), [(0.0, 2.0), (1.0, 72.0), (30.0, 72.0), (None, 72.0)])
def test_what_expires_at_once_is_not_counted(reset: float | None, used: float) -> None:
    account = as_window()
    account.exchange(0.0, 101.0, 100.0, 60.0)
    account.exchange(0.5, 101.0, 29.0, reset, takes=0.0)
    assert account.quota.window.used == pytest.approx(used)


def test_a_new_limit_forgets_what_the_old_one_held() -> None:
    account = Account()
    account.exchange(0.0, 600.0, 599.0, None)
    account.exchange(1.0, 6000.0, 99.0, None)
    assert (account.quota.holds, account.quota.burst) == (100.0, 100.0)


def test_a_new_limit_counts_what_was_sent_until_then() -> None:
    account = Account()
    account.exchange(0.0, None, None, None, amount=20.0)
    account.exchange(70.0, 100.0, None, None, amount=30.0)
    assert account.quota.level == 70.0, "the first has expired"


def test_a_new_limit_begins_to_look_for_a_bucket_anew() -> None:
    account = Account()
    account.exchange(0.0, 600.0, 590.0, 1.0, takes=0.0)
    account.exchange(0.0, 660.0, 580.0, 2.0, takes=0.0)
    assert account.quota.rule == "unknown"


@pytest.mark.parametrize(("reset", "longest"), [(63.0, 63.0), (63.1, 0.0)])
def test_a_reset_longer_than_a_minute_and_a_twentieth_says_nothing(reset: float, longest: float) -> None:
    account = Account()
    account.exchange(0.0, 600.0, 599.0, reset)
    assert account.headers._longest_reset == longest


@pytest.mark.parametrize(
    ("reset", "rule", "span"), [(49.0, "short", 49.0), (50.0, "window", 0.0), (5.00049, "short", 5.0)]
)
def test_a_window_is_short_if_its_longest_reset_and_a_tenth_are_less_than_nine_tenths_of_a_minute(
    reset: float, rule: str, span: float
) -> None:
    """Few remain of 600; 1.1 * 49 are 53.9 seconds."""
    account = Account()
    for left in (40.0, 30.0, 20.0, 10.0):
        account.exchange(0.0, 600.0, left, reset, takes=0.0)
    assert (account.quota.rule, account.quota.span) == (rule, span)


def bounded(level: float, lowest: float, flying: float) -> float:
    """The level of a fixed window after a reply that reports 40, with an earlier one of ``lowest``."""
    account, now = as_fixed()
    quota = account.quota
    quota.window.flying = flying
    quota.level = level
    account.headers._lowest, account.headers._lowest_since = lowest, quota.window_began
    sent = account.send(now, 0.0)
    account.headers.sync(sent, now, 60.0, 40.0, None)
    return quota.level


@pytest.mark.parametrize(
    ("level", "lowest", "flying", "found"),
    [(50.0, 60.0, 5.0, 40.0), (10.0, 60.0, 5.0, 35.0), (10.0, 30.0, 5.0, 25.0), (28.0, 30.0, 5.0, 28.0)],
)
def test_a_fixed_window_has_what_remains_but_for_what_is_in_flight(
    level: float, lowest: float, flying: float, found: float
) -> None:
    assert bounded(level, lowest, flying) == found


@pytest.mark.parametrize(("shift", "is_fixed"), [(1.5, True), (2.5, False)])
def test_an_end_that_moves_by_more_than_two_seconds_is_none_for_ever(shift: float, is_fixed: bool) -> None:
    account, now = as_fixed()
    end, quota, rules = account.quota.window_end, account.quota, []
    left = 60.0 - quota.sent
    for number in range(1, 8):
        account.exchange(now, 60.0, left - number, 50.0 + shift - now - 0.1)
        rules.append(quota.rule == "fixed")
        now += 1.0
    assert rules == [is_fixed] * 7
    assert quota.window_end == (end if is_fixed else math.inf)


def test_resets_that_end_sooner_move_the_end_of_a_window() -> None:
    account, now = as_fixed()
    account.exchange(now, 60.0, 60.0 - account.quota.sent - 1.0, 49.98 - now - 0.1)
    assert account.quota.window_end == pytest.approx(49.98 + 0.01)


@pytest.mark.parametrize("rule", ["bucket", "fixed"])
def test_of_what_remains_a_program_has_the_part_that_its_user_states(rule: str) -> None:
    """A quarter of 400 a minute; what remains of it is never raised."""
    for remaining, level in [(200.0, 50.0), (399.0, 70.0)]:
        account = Account(100.0)
        account.exchange(0.0, 400.0, 399.0, None, amount=0.0, takes=0.0)
        quota = account.quota
        quota.use_as_fixed(50.0) if rule == "fixed" else quota.use_as_bucket(100.0)
        quota.level = 70.0
        account.exchange(0.0, 400.0, remaining, None, amount=0.0, takes=0.0)
        assert quota.level == level
    assert account.headers._part() == 0.25
    assert Account().headers._part() == 1.0


def test_a_window_whose_longest_reset_makes_nine_tenths_is_short() -> None:
    """540 of 600, as far as remaining amounts show."""
    account = Account()
    for left in (540.0, 480.0, 420.0):
        account.exchange(0.0, 600.0, left, 5.5, amount=0.0, takes=0.0)
    assert account.quota.rule == "short"
