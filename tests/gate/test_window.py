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
        window.add(n, 1.0, query=True)
        reserve.queried(1.0)
    assert 10 < reserve.amount(120.0, window) < 40


def test_of_a_tiny_quota_nothing_is_left_to_queries_that_do_not_come() -> None:
    reserve = Reserve()
    reserve.set_limit(3.0)
    assert reserve.amount(0.0, Window()) == 0.0


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
