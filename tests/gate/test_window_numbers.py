"""What was sent within a span, what expires when, and which lengths are documented. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.margin import Margin
from aembed._gate.window import Window, usual_window_s
from aembed._gate.window_end import WindowEnd

MARGIN = 1e-6


def window() -> Window:
    """Documents of 10 at second 0, a query of 5 at second 10, and 8 in flight since second 20."""
    window = Window()
    window.sent(0.0, 10.0)
    window.answered(1.0, 0.0, 10.0)
    window.sent(10.0, 5.0, is_query=True)
    window.answered(11.0, 10.0, 5.0, is_query=True)
    window.sent(20.0, 8.0)
    return window


def test_it_counts_all_and_apart_what_documents_did_not_use() -> None:
    seen = window()
    assert (seen.used, seen.others, seen.flying, seen.under_way, seen.since) == (23.0, 5.0, 8.0, 1, 0.0)
    seen.correct(2.0)
    seen.correct(1.0, is_query=True)
    assert (seen.used, seen.others, seen.flying) == (26.0, 6.0, 11.0)


def test_an_entry_counts_until_a_span_after_its_answer() -> None:
    seen = window()
    used = []
    for now in (61.0, 61.0 + 2 * MARGIN, 71.0, 71.0 + 2 * MARGIN, 1000.0):
        seen.advance(now)
        used.append((seen.used, seen.others))
    assert used == [(23.0, 5.0), (13.0, 5.0), (13.0, 5.0), (8.0, 0.0), (8.0, 0.0)]


def test_nothing_is_left_of_rounding_once_all_has_expired() -> None:
    seen = Window()
    for _ in range(10):
        seen.sent(0.0, 0.1, is_query=True)
        seen.answered(0.0, 0.0, 0.1, is_query=True)
    seen.advance(61.0)
    assert (seen.used, seen.others, seen.flying) == (0.0, 0.0, 0.0)


def test_after_a_span_without_any_it_watches_anew() -> None:
    seen = window()
    assert seen.watched(30.0) == 30.0
    assert seen.watched(90.0) == 60.0
    seen.answered(21.0, 20.0, 8.0)
    seen.advance(100.0)
    seen.sent(100.0, 1.0)
    assert (seen.since, seen.watched(110.0)) == (100.0, 10.0)


def test_there_is_more_room_when_the_oldest_answer_expires() -> None:
    assert window().next_expiry(25.0) == pytest.approx(61.0)
    alone = Window()
    alone.sent(0.0, 1.0)
    assert alone.next_expiry(25.0) == 85.0
    alone.add_foreign(25.0, 3.0, 10.0)
    assert alone.next_expiry(25.0) == 35.0


def test_use_by_other_programs_counts_for_so_long() -> None:
    seen = Window()
    seen.add_foreign(10.0, 4.0, 20.0)
    seen.add_foreign(10.0, 3.0, 10.0, is_recent=False)
    assert (seen.used, seen.others, seen.foreign_rated) == (7.0, 4.0, 4.0)
    seen.advance(20.0)
    assert (seen.used, seen.others, seen.foreign_rated) == (4.0, 4.0, 4.0)
    seen.advance(30.0)
    assert (seen.used, seen.others, seen.foreign_rated) == (0.0, 0.0, 0.0)


def test_answers_of_one_moment_share_a_cell_that_expires_with_the_last() -> None:
    seen = Window()
    for _ in range(3):
        seen.sent(0.0, 1.0)
    for now in (5.0, 5.05, 5.051):  # a twelve hundredth of a minute is 0.05 s
        seen.answered(now, 0.0, 1.0)
    assert [cell.amount for cell in seen.cells] == [2.0, 1.0]
    assert seen.cells[0].expires == pytest.approx(65.05 + MARGIN)
    seen.sent(6.0, 1.0)
    seen.answered(4.0, 6.0, 1.0)  # the clock was set back
    assert len(seen.cells) == 3
    assert (seen.cells[0].sent_at, seen.cells[2].sent_at) == (0.0, 6.0)


def test_what_is_in_flight_shrinks_with_each_answer() -> None:
    seen = Window()
    assert seen.watched(5.0) == 5.0
    for amount in (3.0, 5.0):
        seen.sent(0.0, amount)
    seen.answered(1.0, 0.0, 3.0)
    assert (seen.flying, seen.used) == (5.0, 8.0)


def test_only_as_many_documents_expire_as_are_needed() -> None:
    seen = Window()
    for now in (0.0, 10.0, 20.0):
        seen.sent(now, 10.0)
        seen.answered(now, now, 10.0)
    found = [seen.documents_expire(30.0, amount)[0] for amount in (10.0, 15.0)]
    assert found == pytest.approx([30.0, 40.0], abs=1e-5)
    assert seen.documents_expire(65.0, 10.0)[0] == 0.0, "it has expired"


def test_a_request_of_nothing_leaves_no_entry() -> None:
    seen = Window()
    seen.sent(0.0, 0.0)
    seen.answered(1.0, 0.0, 0.0)
    assert (len(seen.cells), seen.under_way) == (0, 0)


@pytest.mark.parametrize(
    ("capacity", "amount", "when", "free"),
    [(40.0, 10.0, 50.0, 7.0), (33.0, 10.0, 50.0, 0.0), (30.0, 10.0, 61.0, 7.0), (20.0, 10.0, 71.0, 2.0)],
)
def test_what_is_free_once_an_amount_fits(capacity: float, amount: float, when: float, free: float) -> None:
    found = window().left_over(50.0, capacity, amount)
    assert found == pytest.approx((when, free), abs=1e-5)


@pytest.mark.parametrize(("amount", "seconds", "queries"), [(10.0, 11.0, 0.0), (10.1, 60.0, 5.0)])
def test_documents_expire_in_their_order_and_queries_with_them(amount: float, seconds: float, queries: float) -> None:
    assert window().documents_expire(50.0, amount) == pytest.approx((seconds, queries), abs=1e-5)


def test_the_use_of_other_programs_is_corrected_where_it_expires_first() -> None:
    seen = window()
    seen.add_foreign(20.0, 6.0, 30.0, is_recent=False)
    seen.add_foreign(20.0, 4.0, 20.0)
    assert (seen.used, seen.others, seen.own) == (33.0, 9.0, 23.0)
    seen.drop_foreign(0.0)
    seen.drop_foreign(-3.0)
    assert (seen.used, seen.others) == (33.0, 9.0)
    seen.drop_foreign(3.0)
    assert (seen.used, seen.others, seen.foreign) == (30.0, 6.0, [(40.0, 1.0, 1.0), (50.0, 6.0, 0.0)])
    seen.drop_foreign(2.0)
    assert (seen.used, seen.others, seen.foreign) == (28.0, 5.0, [(50.0, 5.0, 0.0)])
    seen.drop_foreign(9.0)
    assert (seen.used, seen.others, seen.foreign, seen.own) == (23.0, 5.0, [], 23.0)


def test_use_by_other_programs_expires_evenly() -> None:
    seen = window()
    seen.add_foreign(50.0, 12.0, 60.0)
    _, queries = seen.documents_expire(31.0, 10.0)
    assert queries == pytest.approx(6.0), "in half a minute half of it"
    _, queries = seen.documents_expire(31.0, 100.0)
    assert queries == 17.0


@pytest.mark.parametrize(
    ("span", "usual"),
    [
        *((0.74, 0.74), (0.75, 1.0), (1.0, 1.0), (1.1, 1.1), (3.75, 5.0), (7.5, 10.0), (10.5, 10.5)),
        *((11.25, 15.0), (15.0, 15.0), (15.1, 20.0), (22.5, 30.0), (30.0, 30.0), (45.0, 45.0)),
    ],
)
def test_documented_windows_are_recognised_from_three_quarters_on(span: float, usual: float) -> None:
    assert usual_window_s(span) == usual


def test_a_minute_has_1200_cells() -> None:
    assert Window().grain == 0.05
    assert Window(3600.0).grain == 3.0


# --- the margin of a known window


def test_a_margin_takes_its_share_of_the_rate() -> None:
    margin = Margin(0.0, 60.0)
    assert (margin.seconds, margin.speed, margin.is_too_large) == (0.0, 1.0, False)
    margin.seconds = 30.0
    assert (margin.speed, margin.is_too_large) == (60.0 / 90.0, False)
    margin.seconds = 30.1
    assert margin.is_too_large


def test_the_lateness_of_answers_is_a_mean_of_sixteen() -> None:
    margin = Margin(0.0, 10.0)
    for elapsed in [0.5] * 8 + [2.1]:  # 1.6 s later than the quickest
        margin.accepted(elapsed)
    assert margin.rejected(5.0, 4.0) == pytest.approx(0.25 * 0.1)
    assert margin.seconds == pytest.approx(0.025)
    margin.accepted(-1.0)  # the clock was set back
    assert margin.seconds < 0.025


def test_a_success_takes_back_four_ninetysixths_of_a_step_and_more_after_a_long_run() -> None:
    margin = Margin(0.0, 60.0)
    for _ in range(8):
        margin.accepted(1.0)
    margin.rejected(5.0, 4.0)  # one of eleven, with the two that stand for what is not known yet
    assert margin.seconds == pytest.approx(0.06)
    margin.accepted(1.0)
    assert margin.seconds == pytest.approx(0.06 - 0.06 * 0.04 / 0.96)
    margin.seconds = 100.0
    for _ in range(73):
        margin.accepted(1.0)
    before = margin.seconds
    margin.accepted(1.0)  # the 75th: twice 37.5
    assert before - margin.seconds == pytest.approx(4 * 0.06 * 0.04 / 0.96)


def test_a_429_in_ten_answers_is_more_than_jitter() -> None:
    """A quarter of a tenth of the span, each time."""
    margin = Margin(0.0, 60.0)
    for now in (10.0, 20.0):
        for _ in range(7):
            margin.accepted(1.0)
        assert margin.rejected(now, now - 1.0) == pytest.approx(1.5)


def test_a_429_of_before_the_last_widening_widens_nothing() -> None:
    margin = Margin(1.0, 60.0)
    assert margin.rejected(2.0, 1.0) == 0.0
    assert margin.rejected(2.0, 1.1) > 0.0
    assert margin.rejected(3.0, 2.0) == 0.0


# --- the end of a fixed window


def replies(*seen: tuple[float, float, float], rate: float = 1.0) -> list[bool]:
    """Replies at such times, each to a request sent a tenth before, with ``remaining`` and ``reset``."""
    end = WindowEnd()
    return [end.saw(now - 0.1, now, remaining, reset, rate) for now, remaining, reset in seen]


def test_three_replies_after_the_first_must_agree() -> None:
    seen = [(1.0, 50.0, 29.05), (2.0, 40.0, 28.05), (3.0, 30.0, 27.05), (4.0, 20.0, 26.05)]
    assert replies(*seen) == [False, False, False, True]


def test_replies_to_requests_of_the_same_moment_are_one() -> None:
    seen = [(1.0, 50.0 - 10 * n, 29.05) for n in range(5)]
    assert replies(*seen) == [False] * 5


def test_an_end_that_moves_begins_the_row_again() -> None:
    seen = [(1.0, 50.0, 29.05), (2.0, 40.0, 28.05), (3.0, 30.0, 28.05), (4.0, 20.0, 27.05), (5.0, 10.0, 26.05)]
    assert replies(*seen, (6.0, 0.0, 25.05)) == [False] * 5 + [True]


@pytest.mark.parametrize(("reset", "found"), [(4.95, False), (5.05, True)])
def test_windows_shorter_than_five_seconds_are_not_looked_for(reset: float, found: bool) -> None:
    seen = [(1.0 + n, 50.0 - 10 * n, reset - n) for n in range(4)]
    assert replies(*seen)[-1] is found


@pytest.mark.parametrize(
    ("each", "rate", "found"), [(0.74, 1.0, False), (0.75, 1.0, True), (0.82, 2.0, False), (0.83, 2.0, True)]
)
def test_remaining_must_have_moved_more_than_a_bucket_would_have_refilled(
    each: float, rate: float, found: bool
) -> None:
    """The end is known to 0.12 s, and three steps of a quarter less than one are two and twice that."""
    seen = [(1.0 + n, 50.0 - each * n, 29.05 - n) for n in range(4)]
    assert replies(*seen, rate=rate)[-1] is found


def test_requests_sent_right_after_the_first_reply_count() -> None:
    """Resets err by a hundredth: by two of them together."""
    end, found = WindowEnd(), []
    for number, sent_at in enumerate((0.9, 1.025, 1.05, 1.075)):
        found.append(end.saw(sent_at, sent_at + 0.1, 50.0 - 10 * number, 29.95 - sent_at, 1.0))
    assert found == [False, False, False, True]


def test_a_whole_quota_in_the_moment_of_the_end_is_that_of_the_next_window() -> None:
    seen = [(1.0, 50.0, 29.05), (2.0, 49.9, 28.05), (3.0, 49.8, 27.05), (4.0, 49.7, 26.05)]
    assert replies(*seen, (30.1, 60.0, 0.02)) == [False] * 5


def test_whole_seconds_are_known_to_a_second_only() -> None:
    end = WindowEnd()
    end.saw(0.9, 1.0, 50.0, 29.0, 1.0)
    assert end.latest == 31.0
    exact = WindowEnd()
    exact.saw(0.9, 1.0, 50.0, 29.05, 1.0)
    assert exact.latest == pytest.approx(30.06)
    assert WindowEnd().latest == math.inf


def test_it_begins_anew_at_the_end_of_the_window() -> None:
    seen = [(1.0, 50.0, 29.05), (2.0, 40.0, 28.05), (3.0, 30.0, 27.05), (31.0, 50.0, 59.05), (32.0, 40.0, 58.05)]
    assert replies(*seen, (33.0, 30.0, 57.05), (34.0, 20.0, 56.05)) == [False] * 6 + [True]
