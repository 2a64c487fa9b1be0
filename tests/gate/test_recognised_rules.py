"""Replies show how the server enforces its quota: a bucket, a window of a minute, or a shorter one."""

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
from tests.gate.reported import Account, as_bucket
from tests.gate.visits import EXACT


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
    """Any requests at any times, also with resets in whole seconds."""
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


def test_a_window_shorter_than_a_minute_is_recognised_by_its_amount() -> None:
    account = Account(600.0)
    account.exchange(0.0, 600.0, 99.0, None)
    assert account.quota.burst == pytest.approx(100.0)
    account.exchange(10.0, 600.0, 299.0, None)
    assert account.quota.burst == pytest.approx(300.0)


def short_window(account: Account, seconds: int, *, reset: float = 1.0) -> None:
    """Five requests a second, at once at the beginning of each."""
    for second in range(seconds):
        for left in (4.0, 3.0, 2.0, 1.0, 0.0):
            account.exchange(float(second), 300.0, left, reset, takes=0.05)


def test_a_window_of_a_second_is_recognised_and_does_not_refill_bit_by_bit() -> None:
    account = Account()
    short_window(account, 2, reset=1.0000001)
    assert account.quota.rule == "short"
    assert account.quota.span == 1.0
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


def test_a_small_bucket_is_not_taken_for_a_quota_that_others_have_used_up() -> None:
    """One second of 3000 a minute: 49 remain after the first request, and all 50 in a fiftieth of a second."""
    account = Account()
    account.exchange(0.0, 3000.0, 49.0, 0.02, takes=0.2)
    assert account.quota.earliest(0.21, 1.0, leave_reserve=True) < 0.3
    assert account.quota.earliest(0.3, 40.0) == 0.3


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


@pytest.mark.parametrize(("hours", "rule"), [(0.0, "fixed"), (12.0, "unknown")])
def test_a_quota_of_a_day_is_no_fixed_window(hours: float, rule: str) -> None:
    """Groq's headers report the requests of a day. Its end is one moment, too: documents waited half a day for it."""
    account = Account()
    for second in range(1, 21):
        reset = 3600 * hours + 60.0 - second
        account.exchange(float(second), 965.0, 965.0 - 5 * second, reset, takes=0.0)
    assert account.quota.rule == rule
