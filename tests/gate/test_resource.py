"""One quota: what headers and refusals teach, and that nothing is counted twice."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.resource import Resource
from aembed._gate.window import GRAIN, WINDOW, Window

odd = st.sampled_from([None, -1.0, 0.0, math.nan, math.inf, -math.inf, 1e300])


def as_bucket(size: float = 60.0, limit: float = 60.0) -> Resource:
    """A resource whose replies have shown a bucket: reset + remaining / rate is always the time to fill."""
    resource = Resource()
    for n in range(1, 21):
        used = n * size / 25
        entry = resource.commit(0.0, size / 25)
        resource.sync(entry, 0.0, limit, size - used, used * 60 / limit)
    assert resource.rule == "bucket"
    return resource


def test_what_replies_of_a_bucket_say_is_recognised_whatever_its_size() -> None:
    assert as_bucket()._burst == pytest.approx(60.0, abs=1.5)
    assert as_bucket(size=600.0, limit=3600.0)._burst == pytest.approx(600.0, abs=5)


def test_what_replies_of_a_window_say_is_recognised() -> None:
    resource = Resource()
    for used in range(1, 20):
        resource.sync(resource.commit(0.1 * used, 1.0), 0.1 * used, 60.0, 60.0 - used, 60.0)
    assert resource.rule == "window"


@given(odd, odd, odd)
def test_headers_that_are_no_sensible_numbers_change_nothing(
    limit: float | None, remaining: float | None, reset: float | None
) -> None:
    resource = Resource(60.0)
    entry = resource.commit(0.0, 1.0)
    resource.sync(entry, 0.1, limit, remaining, reset)
    assert resource.limit == 60.0
    assert resource.earliest(0.1, 50.0) == 0.1


def test_azures_zero_of_an_unknown_limit_is_no_empty_account() -> None:
    resource = Resource()
    resource.sync(resource.commit(0.0, 1.0), 0.1, 0.0, 0.0, None)
    resource.sync(resource.commit(0.0, 1.0), 0.1, -1.0, 0.0, 0.0)
    assert (resource.limit, resource.earliest(0.2, 1.0)) == (None, 0.2)


def test_headers_narrow_the_level_to_an_interval() -> None:
    resource = as_bucket()
    now = 100.0
    entry = resource.commit(now, 1.0)
    resource.commit(now, 5.0)
    resource.sync(entry, now + 1, None, 20.0, None)  # 5 of ours may or may not be in the 20
    assert 15.0 <= resource._level <= 22.0


def test_an_older_header_that_comes_late_is_ignored() -> None:
    resource = as_bucket()
    old, new = resource.commit(100.0, 1.0), resource.commit(100.0, 1.0)
    resource.sync(new, 100.5, None, 10.0, None)
    level = resource._level
    resource.sync(old, 100.6, None, 50.0, None)
    assert resource._level == pytest.approx(level)


def test_a_correction_that_a_header_has_told_already_is_not_told_again() -> None:
    resource = as_bucket(size=600.0, limit=600.0)
    first, second = resource.commit(100.0, 100.0), resource.commit(100.0, 100.0)
    resource.sync(second, 100.1, None, 350.0, None)  # the server has counted 150 for the first already
    level = resource._level
    resource.correct(first, 150.0)
    assert resource._level == level
    resource.correct(second, 100.0)
    assert resource.used == pytest.approx(250.0)


def test_corrections_do_not_put_later_requests_before_earlier_ones() -> None:
    resource = as_bucket(size=600.0, limit=600.0)
    entries = [resource.commit(100.0, 50.0) for _ in range(10)]
    for entry in entries:
        resource.correct(entry, 1.0)
    resource.sync(entries[-1], 100.1, None, 500.0, None)
    newer = resource.commit(100.2, 50.0)
    resource.sync(newer, 100.3, None, 100.0, None)
    assert resource._level <= 102 + 0.2 * 10


def test_headers_never_raise_what_the_user_allows() -> None:
    resource = Resource(60.0)
    resource.sync(resource.commit(0.0, 1.0), 0.1, 6000.0, 5999.0, 0.01)
    assert resource.limit == 60.0
    resource.raise_limit(2.0)
    assert resource.limit == 60.0


def test_a_limit_that_is_raised_or_lowered_on_the_way_is_taken_over() -> None:
    resource = as_bucket()
    resource.sync(resource.commit(100.0, 1.0), 100.1, 120.0, 59.0, 30.0)
    assert resource.limit == 120.0
    resource.sync(resource.commit(101.0, 1.0), 101.1, 30.0, 29.0, 2.0)
    assert (resource.limit, resource._level <= 30.0) == (30.0, True)


def test_a_refusal_with_a_time_leaves_just_enough_at_that_time() -> None:
    resource = Resource(60.0)
    resource.commit(0.0, 10.0)
    resource.drain(1.0, 5.0, 2.0)
    assert resource.earliest(1.0, 2.0) == pytest.approx(6.0)
    assert resource.earliest(1.0, 3.0) == pytest.approx(7.0)


def test_a_short_burst_is_learnt_from_a_refusal_where_no_header_tells_it() -> None:
    resource = Resource(600.0)
    resource.commit(0.0, 100.0)
    resource.drain(0.0, 0.1, 1.0)  # 100 went in, the next did not: the bucket holds no more than these
    resource.commit(300.0, 0.0)
    assert resource._level == pytest.approx(100.0)


def test_foreign_use_of_a_window_is_counted() -> None:
    resource = Resource(100.0)
    resource.rule = "window"
    resource.sync(resource.commit(0.0, 1.0), 0.1, 100.0, 39.0, 59.0)
    assert resource.used == pytest.approx(61.0)
    assert resource.earliest(0.2, 40.0) > 50


def test_what_was_sent_before_a_limit_was_known_is_counted() -> None:
    resource = Resource()
    resource.sync(None, 0.1, 100.0, 30.0, 60.0)
    assert resource.used == pytest.approx(70.0)


def test_a_window_that_refused_is_used_in_full_once_it_opens() -> None:
    resource = Resource(6000.0)
    resource.rule = "window"
    resource.drain(0.0, 50.0, 1.0)
    assert resource.earliest(50.0, 5000.0) == 50.0


def test_documents_leave_room_for_as_many_queries_as_there_were_and_some_more() -> None:
    resource = Resource(1000.0)
    assert resource.reserve(0.0) == 10.0
    for n in range(120):
        resource.commit(n, 1.0, query=True)
    assert 10 < resource.reserve(120.0) < 40
    assert Resource(3.0).reserve(0.0) == 0.0


def test_the_window_has_a_bounded_memory() -> None:
    window = Window()
    for n in range(200_000):
        window.advance(n / 1000)
        window.add(n / 1000, 1.0, query=n % 2 == 0)
    assert len(window) <= (WINDOW + 1) / GRAIN
    assert window.used == pytest.approx(60_000, rel=0.01)
    window.advance(1000.0)
    assert (len(window), window.used, window.queries) == (0, 0.0, 0.0)


def test_a_request_counts_until_a_minute_after_its_answer() -> None:
    window = Window()
    window.add(0.0, 1.0).expires = 7.0 + WINDOW  # as the quotas do with an answer
    window.advance(66.9)
    assert window.used == 1.0
    window.advance(67.0)
    assert window.used == 0.0
