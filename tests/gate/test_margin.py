"""The margin of a known window: 429s widen it by the usual lateness of answers, and answers narrow it."""

from __future__ import annotations

import pytest

from aembed._gate.margin import Margin


def usual(lateness: float, answers: int = 200) -> Margin:
    """The margin of a window of ten seconds, after answers that took a second and ``lateness`` more."""
    margin = Margin(0.0, 10.0)
    margin.accepted(1.0)
    for _ in range(answers):
        margin.accepted(1.0 + lateness)
    return margin


@pytest.mark.parametrize(("lateness", "wider"), [(0.0, 0.01), (0.8, 0.2), (2.0, 0.5)])
def test_a_429_widens_it_by_a_quarter_of_the_usual_lateness_and_a_thousandth_of_the_span_at_least(
    lateness: float, wider: float
) -> None:
    margin = usual(lateness)
    assert margin.rejected(100.0, 99.0) == pytest.approx(wider, rel=1e-3)
    assert margin.seconds == pytest.approx(wider, rel=1e-3)


def test_429s_of_requests_that_were_in_flight_together_widen_it_once() -> None:
    margin = usual(0.8)
    assert [margin.rejected(100.0, 99.0) > 0, margin.rejected(100.2, 99.5), margin.rejected(101.0, 100.5) > 0] == [
        True,
        0.0,
        True,
    ]


def test_many_429s_widen_it_by_a_quarter_of_their_share_of_the_span() -> None:
    """One of three, with the two doubted: jitter is not the cause."""
    margin = Margin(0.0, 10.0)
    assert margin.rejected(2.0, 1.0) == pytest.approx(0.25 / 3 * 10.0)


def test_it_settles_where_four_requests_in_a_hundred_get_a_429() -> None:
    margin = usual(0.8)
    margin.rejected(100.0, 99.0)
    before = margin.seconds
    for _ in range(24):
        margin.accepted(1.8)
    margin.rejected(200.0, 199.0)
    assert margin.seconds == pytest.approx(before, rel=0.02)


def test_a_margin_of_half_the_span_is_too_large() -> None:
    margin = Margin(0.0, 10.0)
    margin.seconds = 5.0
    assert not margin.is_too_large
    assert margin.speed == pytest.approx(2 / 3)
    margin.seconds = 5.01
    assert margin.is_too_large
