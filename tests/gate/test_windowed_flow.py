"""A long window with a hidden limit: one request finds out whether it is open, and contradictions end it."""

from __future__ import annotations

import math

from aembed._gate.episode import Episode, Pause
from aembed._gate.sent_window import SentWindow
from aembed._gate.window import Window
from aembed._gate.windowed_flow import MIN_WINDOW_S, SCOUT_S, WindowedFlow

NONE = (0.0, 0.0)
ONE = (1.0, 10.0)
UNKNOWN = (math.inf, math.inf)
BOTH = (True, True)


def flow_at(now: float = 0.0, span: float = 60.0) -> WindowedFlow:
    return WindowedFlow(now, span, (20.0, 200.0), UNKNOWN, (Window(), Window()))


def send(flow: WindowedFlow, now: float, *, most: int = 100) -> int:
    """Send as many as may be sent at one moment."""
    sent = 0
    while sent < most and flow.earliest(now, ONE, NONE, NONE) <= now:
        flow.sent(now, ONE, is_query=False)
        sent += 1
    return sent


def answer(flow: WindowedFlow, now: float, sent_at: float, *, success: bool = True) -> None:
    flow.answered(now, sent_at, ONE, is_query=False, success=success)


def close(flow: WindowedFlow, now: float, seconds: float) -> bool:
    """A closure of so many seconds: whether the flow still holds."""
    flow.closed(now, Episode(now, ONE, 1.0, True, 0.0, ONE, 60.0, 1.0, ONE), BOTH)
    return flow.opened(now + seconds, Pause(seconds, seconds, ONE))


def test_after_a_wait_for_room_one_request_finds_out_whether_the_window_is_open() -> None:
    flow = flow_at()
    sent = send(flow, 0.0)
    assert sent >= 19
    for _ in range(sent):
        answer(flow, 0.2, 0.0)
    assert send(flow, 60.1) == 1
    assert flow.earliest(60.2, ONE, NONE, NONE) == 60.2 + SCOUT_S
    answer(flow, 60.3, 60.1)
    assert send(flow, 60.3) >= 18


def test_two_closures_with_little_content_contradict_the_window() -> None:
    flow = flow_at()
    send(flow, 0.0, most=3)
    assert close(flow, 1.0, 40.0)
    send(flow, 41.0, most=3)
    assert not close(flow, 42.0, 40.0)


def test_a_closure_with_little_content_gives_no_time_of_its_end() -> None:
    flow = flow_at()
    send(flow, 0.0, most=3)
    assert flow.until_room(1.0) == 0.0
    send(flow, 1.0)
    assert flow.until_room(1.0) > 50.0


def test_a_window_that_proves_too_short_is_given_up() -> None:
    for seconds, holds in ((MIN_WINDOW_S, True), (MIN_WINDOW_S - 2, False)):
        flow = flow_at(span=MIN_WINDOW_S + 5)
        send(flow, 0.0)
        assert close(flow, 1.0, seconds) == holds


def test_a_shortened_window_takes_a_request_like_the_rejected_one() -> None:
    flow = flow_at()
    send(flow, 0.0, most=1)
    flow.closed(1.0, Episode(1.0, ONE, 1.0, True, 0.0, ONE, 60.0, 1.0, (1.0, 150.0)), BOTH)
    flow.refunded(0.0, ONE)
    assert flow.opened(41.0, Pause(40.0, 40.0, ONE))
    assert flow.amounts == [1.0, 150.0]
    assert [window.used for place in (0, 1) if (window := flow.window(place)) is not None] == [0.0, 0.0]


def test_a_shortened_window_holds_what_is_known_of_the_resource_that_was_not_short() -> None:
    """Ten requests of five tokens went in; ten tokens a second are known."""
    for suspects, tokens in (((True, False), 410.0), ((True, True), 50.0), ((False, True), 50.0)):
        flow = WindowedFlow(0.0, 60.0, (10.0, 600.0), (math.inf, 10.0), (Window(), Window()))
        for _ in range(10):
            flow.sent(0.0, (1.0, 5.0), is_query=False)
        flow.closed(1.0, Episode(1.0, ONE, 1.0, True, 0.0, ONE, 60.0, 1.0, (1.0, 5.0)), suspects)
        assert flow.opened(41.0, Pause(40.0, 40.0, ONE))
        assert (flow.span, flow.amounts) == (41.0, [10.0, tokens])


def test_a_request_in_flight_when_the_window_was_copied_can_be_taken_back() -> None:
    window = Window()
    window.sent(0.0, 10.0)
    copy = SentWindow.copy(window, 10.0, 0.5)
    copy.adjust(0.0, -10.0)
    assert copy.used == 0.0
