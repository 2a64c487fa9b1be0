"""What was admitted in the last minute, and what of the next is left to queries."""

from __future__ import annotations

import pytest

from aembed._gate.reserve import Reserve
from aembed._gate.window import GRAIN, WINDOW, Window


def test_documents_leave_room_for_as_many_queries_as_there_were_and_some_more() -> None:
    reserve, window = Reserve(), Window()
    reserve.set_limit(1000.0)
    assert reserve.amount(0.0, window) == 10.0
    for n in range(120):
        window.advance(n)
        window.sent(n, 1.0, query=True)
        window.answered(n, 1.0, query=True)
        reserve.queried(1.0)
    assert 10 < reserve.amount(120.0, window) < 40


def test_of_a_tiny_quota_nothing_is_left_to_queries_that_do_not_come() -> None:
    reserve = Reserve()
    reserve.set_limit(3.0)
    assert reserve.amount(0.0, Window()) == 0.0


def test_of_a_tiny_bucket_a_query_is_left_for_it_costs_its_time_only_once() -> None:
    reserve = Reserve()
    reserve.set_limit(3.0)
    assert reserve.amount(0.0, Window(), bucket=True) == 1.0


def test_what_others_use_is_left_to_them_too() -> None:
    reserve, window = Reserve(), Window()
    reserve.set_limit(1000.0)
    window.sent(0.0, 1.0)
    for n in range(20):
        window.add_foreign(n, 2.0)
    assert reserve.amount(20.0, window) == pytest.approx(120 - 40, abs=35)


def test_a_time_in_which_nobody_was_let_in_says_nothing_of_others() -> None:
    """Twenty seconds with two a second, and then the window was full."""
    reserve, window = Reserve(), Window()
    reserve.set_limit(1000.0)
    window.sent(0.0, 1.0)
    for n in range(20):
        window.add_foreign(n, 2.0)
    at_first = reserve.amount(20.0, window)
    window.close(20.0, 38.0)
    assert reserve.amount(58.0, window) == at_first
    window.close(58.0, 0.1)
    assert reserve.amount(58.1, window) == pytest.approx(at_first, abs=2)


def test_the_window_has_a_bounded_memory() -> None:
    window = Window()
    for n in range(200_000):
        window.advance(n / 1000)
        window.sent(n / 1000, 1.0, query=n % 2 == 0)
        window.answered(n / 1000, 1.0, query=n % 2 == 0)
    assert len(window.cells) <= (WINDOW + 1) / GRAIN
    assert window.used == pytest.approx(60_000, rel=0.01)
    window.advance(1000.0)
    assert (len(window.cells), window.used, window.others) == (0, 0.0, 0.0)


def test_a_request_counts_until_a_minute_after_its_answer() -> None:
    window = Window()
    window.sent(0.0, 1.0)
    window.sent(0.0, 1.0)
    window.answered(1.0, 1.0)
    window.advance(61.0)
    assert window.used == 1.0, "who waits long for an answer holds nobody else up"
    window.answered(7.0, 1.0)
    window.advance(66.9)
    assert window.used == 1.0
    window.advance(67.0)
    assert window.used == 0.0
