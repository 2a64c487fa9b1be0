"""Quotas learnt from headers, and that nothing is counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.headers import Headers
from aembed._gate.quota import ResourceQuota
from aembed._gate.refill_detector import FILLED_REPLIES, FILLED_S, RefillDetector
from aembed._gate.reservation import Reservation
from aembed.testing import QuotaKeeper
from aembed.testing.quotas import Algorithm
from aembed.testing.quotas import Quota as Rules
from tests.gate.visits import EXACT

odd = st.sampled_from([None, -1.0, 0.0, math.nan, math.inf, -math.inf])


class Account:
    """A quota of requests, and the headers that teach it."""

    def __init__(self, stated: float | None = None) -> None:
        self.quota = ResourceQuota(stated)
        self.headers = Headers(self.quota, 0)

    def send(self, now: float, amount: float = 1.0) -> Reservation:
        sent = Reservation("document", requests=amount)
        sent.sent_at = now
        sent.sent_before = self.quota.sent, 0.0, 0.0
        self.quota.commit(now, amount, is_query=False)
        return sent

    def reply(self, sent: Reservation, now: float) -> None:
        self.quota.ended(now, sent.sent_at, sent.requests, is_query=False)

    def exchange(
        self,
        now: float,
        limit: float | None,
        remaining: float | None,
        reset: float | None,
        *,
        amount: float = 1.0,
        takes: float = 0.1,
    ) -> None:
        """One request and its reply with these headers."""
        sent = self.send(now, amount)
        self.headers.sync(sent, now + takes, limit, remaining, reset)
        self.reply(sent, now + takes)


def as_bucket(size: float = 60.0, limit: float = 60.0) -> Account:
    """Whose replies have shown a bucket: reset + remaining / rate is always the time to fill."""
    account = Account()
    for n in range(1, 21):
        used = n * size / 25
        account.exchange(0.0, limit, size - used, used * 60 / limit, amount=size / 25, takes=0.0)
    assert account.quota.rule == "bucket"
    return account


def as_window(stated: float | None = None) -> Account:
    account = Account(stated)
    account.quota.use_as_window()
    return account


def test_replies_of_a_bucket_of_any_size_show_it() -> None:
    assert as_bucket().quota.burst == pytest.approx(60.0, abs=1.5)
    assert as_bucket(size=600.0, limit=3600.0).quota.burst == pytest.approx(600.0, abs=5)


def test_replies_of_a_window_show_it() -> None:
    account = Account()
    for used in range(1, 20):
        account.exchange(0.1 * used, 60.0, 60.0 - used, 60.0, takes=0.0)
    assert account.quota.rule == "window"


@pytest.mark.parametrize("holds", [1.0, 10.0, 60.0])
def test_a_bucket_is_recognised_before_much_of_it_is_gone(holds: float) -> None:
    """In a bucket of one second, ``remaining`` never moves by more than a sixtieth of the quota."""
    account = Account()
    for n in range(1, 21):
        account.exchange(0.0, 3000.0, 50 * holds - n, n / 50, takes=0.0)
    quota = account.quota
    assert quota.rule == "bucket"
    assert quota.burst == pytest.approx(50 * holds, abs=2)
    assert quota.capacity <= quota.burst + 1


def test_a_bucket_that_stays_half_full_is_recognised_after_a_while() -> None:
    """``remaining`` does not move, so there is nothing to compare; but it always takes a minute to fill."""
    detector = RefillDetector()
    pause = FILLED_S / (FILLED_REPLIES - 1)
    rules = [detector.saw(n * pause, 30.0, 30.0, 1.0) for n in range(FILLED_REPLIES)]
    assert rules == ["unknown"] * (FILLED_REPLIES - 1) + ["bucket"]
    assert detector.seconds == 60.0


def test_a_bucket_is_not_recognised_by_replies_of_one_moment_that_say_the_same() -> None:
    detector = RefillDetector()
    assert {detector.saw(0.1 * n, 30.0, 30.0, 1.0) for n in range(50)} == {"unknown"}


def test_observations_of_another_limit_do_not_count() -> None:
    detector = RefillDetector()
    assert detector.saw(0.0, 59.0, 1.0, 1.0) == "unknown"
    detector.forget()
    assert detector.saw(0.0, 49.0, 11.0, 1.0) == "unknown"
    assert detector.saw(0.0, 39.0, 21.0, 1.0) == "bucket"


@given(
    st.sampled_from([3.0, 60.0, 3000.0, 1e6]),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 0.3)), max_size=40),
    st.sampled_from(["sliding", "fixed"]),
    st.booleans(),
)
def test_a_window_is_never_taken_for_a_bucket(
    limit: float, steps: list[tuple[float, float]], algorithm: Algorithm, whole: bool
) -> None:
    """For any requests at any times, also with resets in whole seconds."""
    account = Account()
    keeper = QuotaKeeper(Rules.per_minute(requests=limit, algorithm=algorithm))
    now = 0.0
    for pause, share in steps:
        now += pause
        amount = max(1.0, float(int(share * limit)))
        if keeper.take(now, amount) == 0:
            (level,) = keeper.levels(now)
            reset = float(math.ceil(level.reset - EXACT)) if whole else level.reset
            account.exchange(now, level.limit, level.remaining, reset, amount=amount, takes=0.0)
        assert account.quota.rule != "bucket"


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


def test_a_window_shorter_than_a_minute_is_recognised_by_its_amount() -> None:
    account = Account(600.0)
    account.exchange(0.0, 600.0, 99.0, None)
    assert account.quota.burst == pytest.approx(100.0)
    account.exchange(10.0, 600.0, 299.0, None)
    assert account.quota.burst == pytest.approx(300.0)


def short_window(account: Account, seconds: int) -> None:
    """Five requests a second, at once at the beginning of each."""
    for second in range(seconds):
        for left in (4.0, 3.0, 2.0, 1.0, 0.0):
            account.exchange(float(second), 300.0, left, 1.0, takes=0.05)


def test_a_window_of_a_second_is_recognised_and_does_not_refill_bit_by_bit() -> None:
    account = Account()
    short_window(account, 2)
    assert account.quota.rule == "short"
    assert account.quota.span == pytest.approx(1.0)
    assert account.quota.earliest(1.1, 1.0) == 1.1  # its pace knows better when there is room


def test_a_part_of_an_account_is_no_short_window() -> None:
    account = Account(100.0)
    short_window(account, 2)
    assert account.quota.rule != "short"


def test_the_size_of_a_window_is_measured_in_counted_tokens() -> None:
    quota = ResourceQuota()
    sent = Reservation("document", tokens=500.0)
    quota.commit(0.0, 500.0, is_query=False)
    sent.tokens = 900.0  # as the reply counts them
    Headers(quota, 1).sync(sent, 0.1, 6000.0, 100.0, None)
    assert quota.burst == pytest.approx(1000.0)


def test_a_silent_quota_has_the_short_fixed_window_of_the_reported_one() -> None:
    reported, silent = ResourceQuota(), ResourceQuota(6000.0)
    reported.set_limit(600.0)
    reported.burst = 100.0
    reported.use_as_fixed(10.0)
    silent.use_as(reported)
    assert (silent.rule, silent.window_end, silent.burst, silent.level) == ("fixed", 10.0, 1000.0, 1000.0)


def test_more_than_a_recognised_bucket_holds_is_never_admitted() -> None:
    assert as_bucket(size=600.0, limit=3600.0).quota.capacity == pytest.approx(600.0, abs=5)


def test_use_of_a_window_by_others_is_counted() -> None:
    account = as_window(100.0)
    account.exchange(0.0, 100.0, 39.0, 59.0)
    assert account.quota.window.used == pytest.approx(61.0)
    assert account.quota.earliest(0.2, 40.0) > 50


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


def test_a_small_bucket_is_not_taken_for_a_quota_that_others_have_used_up() -> None:
    """One second of 3000 a minute: 49 remain after the first request, and all 50 in a fiftieth of a second."""
    account = Account()
    account.exchange(0.0, 3000.0, 49.0, 0.02, takes=0.2)
    assert account.quota.earliest(0.21, 1.0, leave_reserve=True) < 0.3
    assert account.quota.earliest(0.3, 40.0) == 0.3


def as_fixed(limit: float = 60.0, end: float = 50.0) -> tuple[Account, float]:
    """Whose replies have shown the end of a window, one every second; returns also the time of the last one."""
    account, now, left = Account(), 0.0, limit
    while account.quota.rule != "fixed":
        left -= 1
        account.exchange(now, limit, left, end - now - 0.1, takes=0.1)
        now += 1.0
    return account, now


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


def test_a_bucket_in_steady_use_is_not_taken_for_a_fixed_window() -> None:
    account = as_bucket()
    for n in range(5):
        account.exchange(60.0 + 0.1 * n, 60.0, 10.0 - n, 30.0 - 0.1 * n)
    assert account.quota.rule == "bucket"


def test_a_small_bucket_that_is_none_has_its_whole_minute_again() -> None:
    quota = as_bucket(size=60.0, limit=360.0).quota
    assert quota.capacity <= 61.0
    quota.use_as_unknown()
    assert quota.capacity == 360.0


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
