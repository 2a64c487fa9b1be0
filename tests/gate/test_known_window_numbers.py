"""A window of known length and limits, step by step: what fits, what a closure teaches. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.episode import Pause
from tests.gate.test_window_flow_numbers import BOTH, NONE, ONE, begin, fill, known


def test_a_known_window_is_filled_at_once() -> None:
    flow = known()
    fill(flow, 1.0, 19)
    assert flow.earliest(1.0, ONE, NONE, NONE) == 1.0
    fill(flow, 1.0, 1)
    assert flow.earliest(1.0, ONE, NONE, NONE) == pytest.approx(11.0, abs=1e-5)
    flow.knows((3.0, 30.0))
    assert flow.earliest(1.0, ONE, NONE, NONE) == 1.0


def test_a_document_that_fits_but_for_what_is_set_aside_looks_again_soon() -> None:
    flow = known()
    fill(flow, 1.0, 19)
    assert flow.earliest(1.0, ONE, (2.0, 0.0), NONE) == 1.5


def test_what_is_free_once_a_waiting_request_fits() -> None:
    flow = known()
    fill(flow, 1.0, 15)
    assert flow.left_over(2.0, (3.0, 40.0)) == pytest.approx((2.0, 10.0))


def test_a_hidden_rate_is_what_goes_along_with_the_known_one() -> None:
    """One of each is counted before the first."""
    by_requests, by_tokens = known(a_second=(2.0, math.inf)), known(a_second=(math.inf, 20.0))
    for flow in (by_requests, by_tokens):
        fill(flow, 1.0, 9, (1.0, 11.0))
    assert by_requests.average == pytest.approx((2.0, 2.0 * 100 / 10))
    assert by_tokens.average == pytest.approx((20.0 * 10 / 100, 20.0))
    both = known()
    assert both.average == (2.0, 20.0)
    both.margin.seconds = 10.0
    assert both.average == (1.0, 10.0), "the window seems twice as long"


@pytest.mark.parametrize(("sent", "explained"), [(14, True), (13, False)])
def test_a_window_seven_tenths_full_explains_a_429(sent: int, explained: bool) -> None:
    flow = known(a_second=(2.0, math.inf))
    fill(flow, 1.0, sent)
    assert flow.rejected(1.5, 1.0, ONE, BOTH, None) is explained
    assert flow.rejected(20.0, 19.0, ONE, BOTH, None) is False, "it has expired"
    all_known = known()
    assert all_known.rejected(1.5, 1.0, ONE, BOTH, None) is True


def test_three_429s_in_a_row_close_it() -> None:
    flow, stray = known(), []
    for _ in range(3):
        stray.append((flow.is_stray(None), flow.is_stray(2.0), flow.is_stray(2.1)))
        flow.rejected(1.5, 1.0, ONE, BOTH, None)
    assert stray == [(True, True, False), (True, True, False), (False, False, False)]
    fill(flow, 3.0, 1)
    for _ in range(2):
        assert flow.is_stray(None)
        flow.rejected(4.0, 3.5, ONE, BOTH, None)
    flow.closed(5.0, begin(5.0), BOTH)
    for _ in range(2):
        assert flow.is_stray(None)
        flow.rejected(6.0, 5.5, ONE, BOTH, None)


def test_three_closures_soon_after_each_other_show_another_server() -> None:
    for apart, holds in [(29.9, [True, True, False]), (30.0, [True, True, True])]:
        flow, found = known(), []
        for number in range(3):
            now = 100.0 + number * apart
            flow.closed(now, begin(now), BOTH)
            found.append(flow.opened(now + 1.0, Pause(1.0, 1.0, NONE)))
        assert found == holds


@pytest.mark.parametrize(("left", "used"), [(1.5, 0.0), (1.0, 20.0), (0.5, 20.0)])
def test_a_server_that_opens_a_tenth_of_the_span_early_has_begun_a_new_window(left: float, used: float) -> None:
    flow = known()
    fill(flow, 1.0, 20)
    flow.closed(2.0, begin(1.0), BOTH)
    window = flow.window(0)
    assert window is not None
    assert flow.opened(window.cells[0].expires - left, Pause(1.0, 1.0, NONE))
    assert window.used == used


@pytest.mark.parametrize(("held", "span"), [(15.9, 40.0), (16.0, 20.0), (35.9, 35.9), (36.0, 40.0)])
def test_from_four_to_nine_tenths_of_the_content_show_a_shorter_window(held: float, span: float) -> None:
    flow = known(40.0)
    fill(flow, 1.0, 1, (1.0, 20.0 * held))
    flow.closed(2.0, begin(1.0), BOTH)
    assert flow.opened(40.9, Pause(1.0, 1.0, NONE))
    windows = [window for place in (0, 1) if (window := flow.window(place)) is not None]
    assert [flow.span, *(window.span for window in windows)] == pytest.approx([span] * 3)


def test_answers_end_requests_and_show_how_late_they_are() -> None:
    flow = known()
    assert (flow.is_estimate, flow.is_out_of_sight(1e9)) == (False, False)
    assert flow.opened(0.0, Pause(1.0, 1.0, NONE)), "nothing contradicts a new one"
    for now in range(8):
        flow.sent(now, ONE, is_query=False)
        flow.answered(now + 1.0, now, ONE, is_query=False, success=True)
    window = flow.window(0)
    assert window is not None
    assert window.under_way == 0
    flow.rejected(9.0, 8.5, ONE, BOTH, None)
    assert flow.margin.seconds == pytest.approx(0.01), "each took as long as the others"
