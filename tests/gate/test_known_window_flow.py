"""A window of known length and limits is filled in one go, and given up if the server shows another rule."""

from __future__ import annotations

import math

import pytest

from aembed._gate.episode import Episode, Pause
from aembed._gate.known_window_flow import CONTRADICTING_EPISODES, KnownWindowFlow
from aembed._gate.window import Window

NONE = (0.0, 0.0)
KNOWN = (2.0, 200.0)
"""Requests and tokens a second: twenty requests in ten seconds."""
ONE = (1.0, 10.0)
BOTH = (True, True)
EPISODE = Episode(0.0, (20.0, 200.0), 1.0, False, 0.0, (20.0, 200.0), 1.0, 1.0, ONE)


def flow_at(now: float = 0.0, windows: tuple[Window, Window] | None = None) -> KnownWindowFlow:
    return KnownWindowFlow(now, 10.0, KNOWN, windows or (Window(), Window()))


def fill(flow: KnownWindowFlow, now: float, *, latency: float = 0.2) -> int:
    """Send all that may be sent at one moment, and answer it."""
    sent = 0
    while flow.earliest(now, ONE, NONE, NONE) <= now:
        flow.sent(now, ONE, is_query=False)
        sent += 1
    for _ in range(sent):
        flow.answered(now + latency, now, ONE, is_query=False, success=True)
    return sent


def test_a_window_is_filled_at_once_and_again_when_it_has_expired() -> None:
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    assert fill(flow, 9.9) == 0
    assert flow.earliest(9.9, ONE, NONE, NONE) == pytest.approx(10.0, abs=1e-5)
    assert fill(flow, 10.001) == 20


def test_a_429_widens_the_window_and_answers_narrow_it_again() -> None:
    """Requests that arrive sooner than those before them find the window of the server full."""
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    flow.rejected(10.0, 9.9, ONE, BOTH, None)
    assert fill(flow, 10.001) == 0
    assert fill(flow, 10.2) == 20
    for n in range(300):
        flow.answered(30.0 + n, 29.8 + n, ONE, is_query=False, success=True)
    assert fill(flow, 400.0) == 20
    assert fill(flow, 410.001) == 20


def test_a_rejected_request_leaves_its_place_to_another() -> None:
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    flow.refunded(0.0, ONE)
    flow.answered(0.2, 0.0, (0.0, 0.0), is_query=False, success=False)
    assert fill(flow, 0.3) == 1


def test_a_window_with_room_does_not_explain_a_429_while_a_limit_is_unknown() -> None:
    known = flow_at()
    hidden = KnownWindowFlow(0.0, 10.0, (2.0, math.inf), (Window(), Window()))
    for flow in (known, hidden):
        for _ in range(10):
            flow.sent(0.0, ONE, is_query=False)
    assert [flow.rejected(0.2, 0.1, ONE, BOTH, None) for flow in (known, hidden)] == [True, False]


def test_a_margin_of_half_a_window_contradicts_it() -> None:
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    seconds = 0.0
    while flow.rejected(seconds + 1, seconds + 0.9, ONE, BOTH, None):
        seconds += 1
    assert 2 < seconds < 200
    assert flow.average[0] < 0.7 * KNOWN[0]


def test_a_document_leaves_the_amount_set_aside_and_looks_again_soon() -> None:
    flow = flow_at()
    for _ in range(18):
        flow.sent(0.0, ONE, is_query=False)
    assert flow.earliest(0.0, ONE, (1.0, 0.0), NONE) == 0.0
    assert 0.0 < flow.earliest(0.0, ONE, (2.0, 0.0), NONE) <= 1.0


def test_a_server_that_opens_before_the_oldest_entries_expire_has_begun_a_new_window() -> None:
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    flow.closed(1.0, EPISODE, BOTH)
    assert flow.opened(4.0, Pause(3.0, 3.0, (20.0, 200.0)))
    assert fill(flow, 4.0) == 20


def test_requests_sent_since_a_server_has_opened_count_in_its_new_window() -> None:
    flow = flow_at()
    assert fill(flow, 0.0) == 20
    flow.closed(1.0, EPISODE, BOTH)
    for _ in range(3):
        flow.sent(4.1, ONE, is_query=False)
    assert flow.opened(4.2, Pause(4.0, 4.0, (20.0, 200.0)))
    assert fill(flow, 4.3) == 17


def test_episodes_in_a_row_show_another_rule() -> None:
    flow = flow_at()
    for n in range(CONTRADICTING_EPISODES):
        now = 10.0 * n
        flow.closed(now, EPISODE, BOTH)
        assert flow.opened(now + 1, Pause(1.0, 1.0, ONE)) == (n + 1 < CONTRADICTING_EPISODES)


def test_an_episode_long_after_the_last_one_is_an_outage() -> None:
    flow = flow_at()
    for n in range(10):
        flow.closed(1000.0 * n, EPISODE, BOTH)
        assert flow.opened(1000.0 * n + 1, Pause(1.0, 1.0, ONE))


def test_the_first_429s_of_a_window_are_strays() -> None:
    flow = flow_at()
    assert [flow.is_stray(0.5), flow.is_stray(None), flow.is_stray(9.0)] == [True, True, False]
    flow.rejected(1.0, 0.5, ONE, BOTH, None)
    flow.rejected(1.0, 0.5, ONE, BOTH, None)
    assert not flow.is_stray(0.5)
    flow.answered(2.0, 1.5, ONE, is_query=False, success=True)
    assert flow.is_stray(0.5)


def test_earlier_requests_count() -> None:
    windows = Window(), Window()
    for window, amount in zip(windows, (15.0, 150.0), strict=True):
        window.sent(0.0, amount)
        window.answered(0.2, 0.0, amount)
    flow = flow_at(1.0, windows)
    assert fill(flow, 1.0) == 5
    assert math.isfinite(flow.until_room(1.0))


def test_a_closure_with_less_content_than_the_window_holds_shows_a_shorter_one() -> None:
    flow = KnownWindowFlow(0.0, 15.0, KNOWN, (Window(), Window()))
    for _ in range(25):
        flow.sent(0.0, ONE, is_query=False)
    flow.closed(1.0, EPISODE, BOTH)
    for _ in range(5):
        flow.refunded(0.0, ONE)
    assert flow.opened(9.5, Pause(9.5, 9.5, (20.0, 200.0)))
    assert flow.span == 10.0


@pytest.mark.parametrize("known", [(2.0, math.inf), (math.inf, 20.0)])
def test_a_hidden_rate_is_what_goes_along_with_the_known_one(known: tuple[float, float]) -> None:
    flow = KnownWindowFlow(0.0, 10.0, known, (Window(), Window()))
    for _ in range(1000):
        flow.sent(0.0, ONE, is_query=False)
    assert flow.average == pytest.approx((2.0, 20.0), rel=0.01)


def test_before_it_has_sent_anything_a_hidden_rate_is_that_of_the_minute_before() -> None:
    windows = Window(), Window()
    for window, amount in zip(windows, (5.0, 400.0), strict=True):
        window.sent(0.0, amount)
        window.add_foreign(0.0, 1000.0, 60.0)  # the use of others has another ratio
    assert KnownWindowFlow(1.0, 10.0, (2.0, math.inf), windows).average == pytest.approx((2.0, 160.0))
