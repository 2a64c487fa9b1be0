"""Requests sent in the last minute, and the part of the next that is left to queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.reserve import MAX_RESERVE_SHARE, Reserve
from aembed._gate.window import MARGIN_S, MAX_CELLS, MINUTE_S, Window

finite = st.floats(allow_nan=False, allow_infinity=False)


def reserve_of(limit: float, share: float | None = None) -> Reserve:
    reserve = Reserve()
    reserve.set_limit(limit, share)
    return reserve


@given(
    st.lists(st.tuples(st.floats(0.0, 59.0), st.floats(0.5, 40.0)), max_size=12),
    st.floats(1.0, 100.0),
    st.floats(0.0, 1.0),
)
def test_what_an_amount_leaves_over_may_be_used_without_delaying_it(
    entries: list[tuple[float, float]], amount: float, part: float
) -> None:
    """A window of 100 in its last second: the amount fits as soon with the rest in use as without."""
    fits: list[float] = []
    for share in (0.0, part):
        window = Window()
        for at, used in sorted(entries):
            window.advance(at)
            if window.used + used <= 100.0:
                window.sent(at, used)
                window.answered(at, at, used)
        now = 59.5
        window.advance(now)
        if extra := share * min(100.0 - window.used, window.left_over(now, 100.0, amount)[1]):
            window.sent(now, extra)
            window.answered(now, now, extra)
        while window.used + amount > 100.0 + 1e-9:
            now = window.next_expiry(now)
            window.advance(now)
        fits.append(now)
    assert fits[0] == fits[1]


def test_documents_leave_room_for_as_many_queries_as_there_were_and_some_more() -> None:
    reserve, window = reserve_of(1000.0), Window()
    for n in range(120):
        window.advance(n)
        window.sent(n, 1.0, is_query=True)
        window.answered(n, n, 1.0, is_query=True)
        reserve.queried(n, 1.0)
    assert 0 < reserve.until_room(120.0, window, window) < 40
    window.advance(150.0)
    assert 5 <= reserve.until_room(150.0, window, window) < 40  # none came in the last half minute


def test_the_reserve_shrinks_as_the_time_does_in_which_queries_may_come() -> None:
    """Two queries a second, seen for a minute."""
    reserve, window = reserve_of(1000.0), Window()
    for n in range(120):
        window.advance(n / 2)
        window.sent(n / 2, 1.0, is_query=True)
        window.answered(n / 2, n / 2, 1.0, is_query=True)
        reserve.queried(n / 2, 1.0)
    left = [reserve.until(60.0, window, seconds) for seconds in (60.0, 30.0, 10.0, 1.0, 0.0)]
    assert left == sorted(left, reverse=True)
    assert [left[0] > 120, 20 < left[2] < 40, left[-1]] == [True, True, 0.0]


def test_documents_that_expire_soon_leave_room_for_queries() -> None:
    """Documents filled a minute at once, half a minute ago: the reserve is for the other half of it."""
    reserve, window = reserve_of(1000.0), Window()
    window.sent(0.0, 800.0)
    window.answered(0.0, 0.0, 800.0)
    for n in range(60):
        window.advance(n / 2)
        window.sent(n / 2, 1.0, is_query=True)
        window.answered(n / 2, n / 2, 1.0, is_query=True)
        reserve.queried(n / 2, 1.0)
    assert window.documents_expire(30.0, 100.0) == pytest.approx((30.0, 1.0), abs=0.01)
    assert 60 < reserve.until_room(30.0, window, window) < 100
    assert 1 <= reserve.until_room(59.0, window, window) < 10


def test_a_tiny_quota_reserves_nothing_for_queries_that_do_not_come() -> None:
    assert reserve_of(3.0).until_room(0.0, Window(), Window()) == 0.0


def test_less_and_less_is_left_to_queries_that_do_not_come() -> None:
    reserve, window = reserve_of(1000.0), Window()
    left = [reserve.until_room(at, window, window) for at in (0.0, 1.0, 3.0, 10.0, 31.0)]
    assert left[0] > 0
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0.0


def test_a_part_that_is_set_aside_by_word_is_left_whether_queries_come_or_not() -> None:
    reserve, window = reserve_of(1000.0, 0.4), Window()
    assert [reserve.until_room(at, window, window) for at in (0.0, 100.0, 1e6)] == [400.0] * 3
    window.sent(1e6, 150.0, is_query=True)
    assert reserve.until_room(1e6, window, window) >= 250.0


def test_use_by_others_is_left_to_them_too() -> None:
    reserve, window = reserve_of(1000.0), Window()
    window.sent(0.0, 1.0)
    for n in range(20):
        window.add_foreign(n, 2.0, MINUTE_S)
    assert reserve.until_room(20.0, window, window) == pytest.approx(120 - 40, abs=45)


histories = st.lists(st.tuples(finite, finite, st.booleans()), max_size=40)


@given(st.floats(0, 1e12), st.none() | st.floats(0, 0.9), histories)
def test_the_reserve_is_always_within_its_share(
    limit: float, share: float | None, history: list[tuple[float, float, bool]]
) -> None:
    reserve, window = reserve_of(limit, share), Window()
    for now, amount, is_query in history:
        window.advance(now)
        window.sent(now, abs(amount) % 1e15, is_query)
        if is_query:
            reserve.queried(now, abs(amount) % 1e15)
        assert 0.0 <= reserve.until_room(now, window, window) <= max(MAX_RESERVE_SHARE, share or 0.0) * limit


def test_the_window_has_a_bounded_memory() -> None:
    window = Window()
    for n in range(200_000):
        window.advance(n / 1000)
        window.sent(n / 1000, 1.0, n % 2 == 0)
        window.answered(n / 1000, n / 1000, 1.0, n % 2 == 0)
    assert len(window.cells) <= MAX_CELLS + 1
    assert window.used == pytest.approx(60_000, rel=0.01)
    window.advance(1000.0)
    assert (len(window.cells), window.used, window.others) == (0, 0.0, 0.0)


def test_a_request_counts_until_a_minute_after_its_answer() -> None:
    window = Window()
    window.sent(0.0, 1.0)
    window.sent(0.0, 1.0)
    window.answered(1.0, 0.0, 1.0)
    window.advance(61.0 + 2 * MARGIN_S)
    assert window.used == 1.0, "a request that waits long for its answer holds no other up"
    window.answered(7.0, 0.0, 1.0)
    window.advance(66.9)
    assert window.used == 1.0
    window.advance(67.0 + 2 * MARGIN_S)
    assert window.used == 0.0


def test_fault_107_a_request_exactly_a_minute_old_still_counts() -> None:
    window = Window()
    window.sent(0.1, 1.0)
    window.answered(0.1, 0.1, 1.0)
    window.advance(60.1)
    assert window.used == 1.0
    window.advance(window.next_expiry(60.1))
    assert window.used == 0.0


spans = st.floats(0.0, 100.0)


@given(st.lists(st.tuples(spans, spans, st.floats(0.0, 1e9), st.booleans()), min_size=1, max_size=40))
def test_nothing_is_forgotten_within_a_minute_of_its_answer_nor_kept_for_long_after(
    requests: list[tuple[float, float, float, bool]],
) -> None:
    window = Window()
    events = [(at, n, "sent") for n, (at, _, _, _) in enumerate(requests)]
    events += [(at + takes, n, "answered") for n, (at, takes, _, _) in enumerate(requests)]
    for now, n, what in sorted(events, key=lambda event: (event[0], event[2] == "answered")):
        at, _, amount, is_query = requests[n]
        window.advance(now)
        if what == "sent":
            window.sent(now, amount, is_query)
        else:
            window.answered(now, at, amount, is_query)
        counted = [each for each in requests if each[0] <= now <= each[0] + each[1] + MINUTE_S]
        at_least = sum(amount for at, _, amount, _ in counted if at < now)
        at_most = sum(each[2] for each in requests if each[0] <= now <= each[0] + each[1] + MINUTE_S + window.grain + 1)
        assert window.used >= at_least - 1e-3
        assert window.used <= at_most + 1e-3
        assert -1e-3 <= window.others <= window.used + 1e-3


@given(histories, st.floats(1e-6, 1e6))
def test_a_window_survives_any_clock(history: list[tuple[float, float, bool]], span: float) -> None:
    window = Window(span)
    for now, amount, is_query in history:
        window.advance(now)
        window.sent(now, amount, is_query)
        window.answered(now, now - amount, amount, is_query)
        window.add_foreign(now, amount, span, is_recent=is_query)
        window.correct(-amount, is_query)
        assert window.next_expiry(now) is not None
        assert window.watched(now) <= span


def asked(reserve: Reserve, times: range) -> Window:
    """A window with a query of one unit at each of these times, answered at once."""
    window = Window()
    for at in times:
        window.advance(at)
        window.sent(at, 1.0, is_query=True)
        window.answered(at, at, 1.0, is_query=True)
        reserve.queried(at, 1.0)
    return window


@pytest.mark.parametrize(("seconds", "kept"), [(30.0, 10.0), (10.0, 5.0), (1.1, 2.0), (1.0, 0.0), (0.0, 0.0)])
def test_documents_leave_what_queries_may_need_until_a_fixed_window_ends(seconds: float, kept: float) -> None:
    """A query in ten seconds: three deviations more, in whole units, rounded up; in the last second they take it."""
    reserve = reserve_of(1000.0)
    window = asked(reserve, range(0, 60, 10))
    assert reserve.until_end(59.0, window, seconds) == kept


def test_that_is_a_fifth_of_the_quota_at_most_and_in_whole_units() -> None:
    reserve = reserve_of(27.0)
    assert reserve.until_end(59.0, asked(reserve, range(60)), 60.0) == 5.0
    assert reserve_of(27.0).until_end(59.0, Window(), 60.0) < 5.0, "no query has come"


@pytest.mark.parametrize("seconds", [10.0, 0.5])
def test_a_share_stated_for_queries_is_left_to_them_until_a_fixed_window_ends(seconds: float) -> None:
    reserve = reserve_of(100.0, share=0.3)
    assert reserve.until_end(59.0, asked(reserve, range(0, 60, 10)), seconds) == 24.0, "30, of which six are used"
    assert reserve_of(100.0, share=0.3).until_end(59.0, Window(), seconds) == 30.0, "no query has come"


@pytest.mark.parametrize(("left", "kept"), [(2.0, 1.0), (0.9, 0.0)])
def test_one_query_is_left_room_for_unless_a_document_expires_within_a_second(left: float, kept: float) -> None:
    reserve = reserve_of(60.0)
    window = asked(reserve, range(1))
    window.sent(0.0, 30.0)
    window.answered(0.0, 0.0, 30.0)
    now = MINUTE_S - left
    window.advance(now)
    assert reserve.until_room(now, window, window) == kept


@pytest.mark.parametrize(("quiet", "kept"), [(10.0, 3.0), (10.1, 0.0)])
def test_after_ten_seconds_without_a_query_documents_may_use_all(quiet: float, kept: float) -> None:
    """Half a query in ten seconds is three in a minute."""
    reserve, window = reserve_of(600.0), Window()
    reserve.until_room(0.0, window, window)
    assert reserve.until_room(quiet, window, window) == kept
