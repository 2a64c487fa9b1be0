"""The reserve for queries: by how many came, and for how long there is no room. Numbers by hand."""

from __future__ import annotations

import pytest

from aembed._gate.reserve import Reserve
from aembed._gate.window import Window


def reserve_of(limit: float, share: float | None = None) -> Reserve:
    reserve = Reserve()
    reserve.set_limit(limit, share)
    return reserve


def ask(reserve: Reserve, seen: Window, amount: float, *times: float) -> None:
    """Queries, each answered at once."""
    for now in times:
        seen.advance(now)
        seen.sent(now, amount, is_query=True)
        seen.answered(now, now, amount, is_query=True)
        reserve.queried(now, amount)


def documents(seen: Window, now: float, amount: float) -> None:
    seen.sent(now, amount)
    seen.answered(now, now, amount)


def test_without_a_limit_nothing_is_left() -> None:
    reserve = Reserve()
    assert (reserve.query, reserve.until(0.0, Window(), 100.0)) == (1.0, 0.0)


def test_before_the_first_query_half_of_one_is_expected_in_the_time_without_any() -> None:
    """One of six units, a thousandth of the limit; it looks for the first time at second 5."""
    reserve, seen = reserve_of(6000.0), Window()
    assert reserve.query == 6.0
    assert reserve.until(5.0, seen, 10.0) == 30.0
    assert reserve.until(5.0, seen, 1000.0) == 600.0, "a tenth of the limit at most"
    assert [reserve.until(now, seen, 100.0) for now in (9.0, 15.0, 15.1)] == [75.0, 30.0, 0.0]
    assert reserve_of(3.0).query == 1.0


def test_the_reserve_is_the_mean_and_two_deviations_by_the_rate_since_queries_began() -> None:
    """20 units in ten seconds, by fours: 20 + 2 * sqrt(20 * 4 * 2) = 45.3."""
    reserve, seen = reserve_of(6000.0), Window()
    documents(seen, 0.0, 100.0)
    ask(reserve, seen, 4.0, 20.0)
    assert reserve.until(20.0, seen, 10.0) == 123.0, "40 + 2 * sqrt(40 * 4 * 11)"
    ask(reserve, seen, 4.0, 22.0, 24.0, 26.0, 28.0)
    assert reserve.until(30.0, seen, 10.0) == 45.0
    assert reserve.until(30.0, seen, 10.0, 5.0) == 40.0
    assert reserve.until(30.0, seen, 1e6) == 1200.0, "a fifth of the limit at most"


@pytest.mark.parametrize(("second", "kept"), [(60.0, 15.0), (60.1, 76.0)])
def test_after_a_minute_without_any_the_rate_counts_anew(second: float, kept: float) -> None:
    """4 + 2 * sqrt(4 * 4 * 2), or of six times the rate: 24.2 + 2 * sqrt(24.2 * 4 * (1 + 6.06)) = 76.5."""
    reserve, seen = reserve_of(6000.0), Window()
    documents(seen, 0.0, 1.0)
    ask(reserve, seen, 4.0, 0.0, second)
    seen.advance(70.0)
    assert reserve.until(70.0, seen, 60.0) == kept


def test_a_single_unit_is_use_by_others() -> None:
    """1 + 2 * sqrt(2) for ten seconds, 1 + 3 * sqrt(2) at the end of a fixed window, rounded up."""
    reserve, seen = reserve_of(1000.0), Window()
    ask(reserve, seen, 1.0, 0.0)
    assert reserve.until(10.0, seen, 10.0) == 3.0
    assert reserve.until_end(10.0, seen, 10.0) == 6.0


def test_what_queries_have_used_counts_towards_the_part_that_is_theirs() -> None:
    reserve, seen = reserve_of(1000.0, 0.4), Window()
    ask(reserve, seen, 150.0, 0.0)
    assert reserve.until(0.0, seen, 0.0) == 250.0
    assert reserve.until_end(0.0, seen, 1.0) == 250.0


def test_it_is_for_the_time_until_as_much_of_documents_has_expired() -> None:
    """Two units a second: 236 in a minute at most. The second hundred expires in 40 s: 80 + 2 * sqrt(80 * 4 * 5)."""
    reserve, seen = reserve_of(6000.0), Window()
    documents(seen, 0.0, 200.0)
    documents(seen, 10.0, 100.0)
    ask(reserve, seen, 4.0, 20.0, 22.0, 24.0, 26.0, 28.0)
    assert reserve.until_room(30.0, seen, seen) == 160.0


def test_one_query_is_left_unless_a_document_expires_within_a_second() -> None:
    reserve, seen = reserve_of(6000.0), Window()
    documents(seen, 0.0, 800.0)
    ask(reserve, seen, 4.0, 20.0)
    ends = seen.cells[0].expires
    assert [reserve.until_room(ends - left, seen, seen) for left in (1.5, 1.0)] == [4.0, 1.0]
