"""What headers and rejections teach of a quota, and that nothing is counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.headers import Headers
from aembed._gate.quota import Quota
from aembed.testing import Quota, QuotaKeeper
from aembed.testing.quotas import Algorithm

odd = st.sampled_from([None, -1.0, 0.0, math.nan, math.inf, -math.inf])


def as_bucket(size: float = 60.0, limit: float = 60.0) -> Headers:
    """Whose replies have shown a bucket: reset + remaining / rate is always the time to fill."""
    headers = Headers(resource := Resource())
    for n in range(1, 21):
        used = n * size / 25
        entry = resource.commit(0.0, size / 25)
        headers.sync(entry, 0.0, limit, size - used, used * 60 / limit)
        resource.ended(entry, 0.0)
    assert resource.rule == "bucket"
    return headers


def test_what_replies_of_a_bucket_say_is_recognised_whatever_its_size() -> None:
    assert as_bucket().resource.burst == pytest.approx(60.0, abs=1.5)
    assert as_bucket(size=600.0, limit=3600.0).resource.burst == pytest.approx(600.0, abs=5)


def test_what_replies_of_a_window_say_is_recognised() -> None:
    headers = Headers(resource := Resource())
    for used in range(1, 20):
        headers.sync(resource.commit(0.1 * used, 1.0), 0.1 * used, 60.0, 60.0 - used, 60.0)
    assert resource.rule == "window"


@given(odd, odd | st.just(1e300), odd | st.just(1e300))
def test_headers_that_are_no_sensible_numbers_change_nothing(
    limit: float | None, remaining: float | None, reset: float | None
) -> None:
    headers = Headers(resource := Resource(60.0))
    entry = resource.commit(0.0, 1.0)
    headers.sync(entry, 0.1, limit, remaining, reset)
    assert resource.limit == 60.0
    assert resource.earliest(0.1, 50.0) == 0.1


def test_azures_zero_of_an_unknown_limit_is_no_empty_account() -> None:
    headers = Headers(resource := Resource())
    headers.sync(resource.commit(0.0, 1.0), 0.1, 0.0, 0.0, None)
    headers.sync(resource.commit(0.0, 1.0), 0.1, -1.0, 0.0, 0.0)
    assert (resource.limit, resource.earliest(0.2, 1.0)) == (None, 0.2)


def test_headers_narrow_the_level_to_an_interval() -> None:
    headers = as_bucket()
    resource = headers.resource
    now = 100.0
    entry = resource.commit(now, 1.0)
    resource.commit(now, 5.0)
    headers.sync(entry, now + 1, None, 20.0, None)  # 5 of ours may or may not be in the 20
    assert 15.0 <= resource.level <= 22.0


@pytest.mark.parametrize("holds", [1.0, 10.0, 60.0])
def test_a_bucket_is_recognised_before_much_of_it_is_gone(holds: float) -> None:
    """Of a bucket of one second ``remaining`` never moves by more than a sixtieth of the quota."""
    headers = Headers(resource := Resource())
    for n in range(1, 21):
        headers.sync(resource.commit(0.0, 1.0), 0.0, 3000.0, 50 * holds - n, n / 50)
    assert resource.rule == "bucket"
    assert resource.burst == pytest.approx(50 * holds, abs=2)
    assert resource.capacity <= resource.burst + 1


@given(
    st.sampled_from([3.0, 60.0, 3000.0, 1e6]),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 0.3)), max_size=40),
    st.sampled_from(["sliding", "fixed"]),
    st.booleans(),
)
def test_a_window_is_never_taken_for_a_bucket(
    limit: float, steps: list[tuple[float, float]], algorithm: Algorithm, whole: bool
) -> None:
    """Whatever is sent and when, and if resets are in whole seconds."""
    headers = Headers(resource := Resource())
    keeper = QuotaKeeper(Quota.per_minute(requests=limit, algorithm=algorithm))
    now = 0.0
    for pause, share in steps:
        now += pause
        amount = max(1.0, float(int(share * limit)))
        if keeper.take(now, amount) == 0:
            (level,) = keeper.levels(now)
            reset = float(math.ceil(level.reset)) if whole else level.reset
            headers.sync(resource.commit(now, amount), now, level.limit, level.remaining, reset)
        assert resource.rule != "bucket"


def test_an_older_header_that_comes_late_is_ignored() -> None:
    headers = as_bucket()
    resource = headers.resource
    old, new = resource.commit(100.0, 1.0), resource.commit(100.0, 1.0)
    headers.sync(new, 100.5, None, 10.0, None)
    level = resource.level
    headers.sync(old, 100.6, None, 50.0, None)
    assert resource.level == pytest.approx(level)


def test_a_correction_that_a_header_has_told_already_is_not_told_again() -> None:
    headers = as_bucket(size=600.0, limit=600.0)
    resource = headers.resource
    first, second = resource.commit(100.0, 100.0), resource.commit(100.0, 100.0)
    headers.sync(second, 100.1, None, 350.0, None)  # the server has counted 150 for the first already
    level = resource.level
    resource.correct(first, 150.0)
    assert resource.level == level
    resource.correct(second, 100.0)
    assert resource.used == pytest.approx(250.0)


def test_corrections_do_not_put_later_requests_before_earlier_ones() -> None:
    headers = as_bucket(size=600.0, limit=600.0)
    resource = headers.resource
    entries = [resource.commit(100.0, 50.0) for _ in range(10)]
    for entry in entries:
        resource.correct(entry, 1.0)
    headers.sync(entries[-1], 100.1, None, 500.0, None)
    newer = resource.commit(100.2, 50.0)
    headers.sync(newer, 100.3, None, 100.0, None)
    assert resource.level <= 102 + 0.2 * 10


def test_headers_never_raise_what_the_user_allows() -> None:
    headers = Headers(resource := Resource(60.0))
    headers.sync(resource.commit(0.0, 1.0), 0.1, 6000.0, 5999.0, 0.01)
    assert resource.limit == 60.0
    resource.set_limit(120.0)
    assert resource.limit == 60.0


def test_a_limit_that_is_raised_or_lowered_on_the_way_is_taken_over() -> None:
    headers = as_bucket()
    resource = headers.resource
    headers.sync(resource.commit(100.0, 1.0), 100.1, 120.0, 59.0, 30.0)
    assert resource.limit == 120.0
    headers.sync(resource.commit(101.0, 1.0), 101.1, 30.0, 29.0, 2.0)
    assert (resource.limit, resource.level <= 30.0) == (30.0, True)


def test_a_refusal_with_a_time_leaves_just_enough_at_that_time() -> None:
    headers = Headers(resource := Resource(60.0))
    resource.commit(0.0, 10.0)
    headers.rejected(1.0, 5.0, 2.0)
    assert resource.earliest(1.0, 2.0) == pytest.approx(6.0)
    assert resource.earliest(1.0, 3.0) == pytest.approx(7.0)


def test_a_short_burst_is_learnt_from_a_refusal_where_no_header_tells_it() -> None:
    headers = Headers(resource := Resource(600.0))
    resource.commit(0.0, 100.0)
    headers.rejected(0.0, 0.1, 1.0)  # 100 went in, the next did not: the bucket holds no more than these
    resource.commit(300.0, 0.0)
    assert resource.level == pytest.approx(100.0)


def test_foreign_use_of_a_window_is_counted() -> None:
    headers = Headers(resource := Resource(100.0))
    resource.rule = "window"
    headers.sync(resource.commit(0.0, 1.0), 0.1, 100.0, 39.0, 59.0)
    assert resource.used == pytest.approx(61.0)
    assert resource.earliest(0.2, 40.0) > 50


def test_what_was_sent_before_a_limit_was_known_is_counted() -> None:
    headers = Headers(resource := Resource())
    resource.rule = "window"
    headers.sync(resource.commit(0.0, 0.0), 0.1, 100.0, 30.0, 60.0)
    assert resource.used == pytest.approx(70.0)


def test_what_others_used_counts_until_the_reset_that_a_reply_names() -> None:
    headers = Headers(resource := Resource())
    resource.rule = "window"
    headers.sync(resource.commit(0.0, 0.0), 0.1, 100.0, 30.0, 20.0)
    assert resource.earliest(0.2, 40.0) == pytest.approx(20.1)
    assert resource.earliest(20.1, 100.0) == 20.1


def test_what_we_send_beside_others_counts_for_a_minute() -> None:
    headers = Headers(resource := Resource())
    resource.rule = "window"
    headers.sync(resource.commit(0.0, 0.0), 0.1, 100.0, 30.0, 20.0)
    resource.ended(resource.commit(0.1, 25.0), 0.1)
    assert resource.earliest(20.1, 80.0) == pytest.approx(60.0, abs=0.2)


def test_a_small_bucket_is_not_taken_for_a_quota_that_others_have_used_up() -> None:
    """One second of 3000 a minute: 49 remain after the first request, and all 50 in a fiftieth of a second."""
    headers = Headers(resource := Resource())
    headers.sync(resource.commit(0.0, 1.0), 0.2, 3000.0, 49.0, 0.02)
    assert resource.earliest(0.21, 1.0, leave_reserve=True) < 0.3
    assert resource.earliest(0.3, 40.0) == 0.3


def test_more_than_a_recognised_bucket_holds_is_never_admitted() -> None:
    assert as_bucket(size=600.0, limit=3600.0).resource.capacity == pytest.approx(600.0, abs=5)


def test_a_window_that_rejected_is_used_in_full_once_it_opens() -> None:
    headers = Headers(resource := Resource(6000.0))
    resource.rule = "window"
    headers.rejected(0.0, 50.0, 1.0)
    assert resource.earliest(50.0, 5000.0) == 50.0
