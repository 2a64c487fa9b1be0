"""Flows that fill windows, step by step: what fits, what a closure teaches. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.episode import AdmittedAmounts, Episode, Pause
from aembed._gate.known_window_flow import KnownWindowFlow
from aembed._gate.queue_limit import QueueLimit
from aembed._gate.window import Window
from aembed._gate.windowed_flow import WindowedFlow

NONE = (0.0, 0.0)
ONE = (1.0, 10.0)
HIDDEN = (math.inf, math.inf)
BOTH = (True, True)


def hidden(
    span: float = 60.0, amounts: AdmittedAmounts = (20.0, 200.0), known: AdmittedAmounts = HIDDEN
) -> WindowedFlow:
    return WindowedFlow(0.0, span, amounts, known, (Window(), Window()))


def known(span: float = 10.0, a_second: AdmittedAmounts = (2.0, 20.0)) -> KnownWindowFlow:
    return KnownWindowFlow(0.0, span, a_second, (Window(), Window()))


def fill(flow: WindowedFlow | KnownWindowFlow, now: float, count: int, amounts: AdmittedAmounts = ONE) -> None:
    """Each answered at once."""
    for _ in range(count):
        flow.sent(now, amounts, is_query=False)
        flow.answered(now, now, amounts, is_query=False, success=True)


def begin(now: float = 0.0, rejected: AdmittedAmounts = ONE) -> Episode:
    return Episode(now, NONE, 1.0, True, 0.0, NONE, 60.0, 1.0, rejected)


# --- a window of which the limit is hidden


@pytest.mark.parametrize(
    ("now", "factor"),
    [
        (0.0, 0.98),
        (5.0, 1 - 0.02 * 0.5**3),
        (10.0, 1.0),
        (15.0, 1.0375),
        (20.0, 1.3),
        (30.0, 3.4),
        (1000.0, 30.0),
        (-5.0, 0.98),
    ],
)
def test_the_limit_recovers_in_ten_seconds_and_then_grows(now: float, factor: float) -> None:
    """A hundred requests in a window of ten seconds."""
    assert hidden(10.0, (100.0, 1000.0)).factor(now) == pytest.approx(factor)


@pytest.mark.parametrize(("requests", "seconds"), [(600.0, 10.0), (600.1, 10.0), (120.0, 50.0), (20.0, 90.0)])
def test_a_slow_server_has_as_much_more_time(requests: float, seconds: float) -> None:
    flow = hidden(60.0, (requests, 1e9))
    assert flow.factor(seconds - 0.01) < 1.0
    assert flow.factor(seconds) == pytest.approx(1.0)


def test_it_recovers_anew_from_each_opening() -> None:
    flow = hidden(10.0, (100.0, 1000.0))
    fill(flow, 99.0, 100)
    flow.closed(100.0, begin(100.0), BOTH)
    assert flow.opened(104.0, Pause(4.0, 4.0, NONE))
    assert [flow.factor(now) for now in (104.0, 114.0)] == pytest.approx([0.98, 1.0])


def test_it_limits_nothing_at_thirty_times_the_amount() -> None:
    flow = hidden(10.0, (100.0, 1000.0))
    last = 10.0 * (1 + ((30.0 - 1) / 0.3) ** (1 / 3))
    assert not flow.is_out_of_sight(last - 0.01)
    assert flow.is_out_of_sight(last + 0.01)


def test_it_is_filled_to_its_factor_and_then_waits_for_the_oldest() -> None:
    flow = hidden()
    fill(flow, 1.0, 18)
    assert flow.earliest(1.0, ONE, NONE, NONE) == 1.0, "0.98 of 20"
    fill(flow, 1.0, 1)
    assert flow.earliest(1.0, ONE, NONE, NONE) == pytest.approx(61.0, abs=1e-5)
    assert flow.earliest(1.0, ONE, NONE, (0.5, 5.0)) == 1.0, "the least rate admits thirty"
    limited_by_tokens = hidden(amounts=(1000.0, 200.0))
    fill(limited_by_tokens, 1.0, 19)
    assert limited_by_tokens.earliest(1.0, ONE, NONE, NONE) > 60.0
    stated = hidden(known=(0.2, math.inf))
    fill(stated, 1.0, 11)
    assert stated.earliest(1.0, ONE, NONE, NONE) == 1.0
    assert stated.earliest(1.0, ONE, (1.0, 0.0), NONE) > 60.0


def test_a_closure_with_little_content_has_another_cause_and_two_end_it() -> None:
    flow = hidden()
    fill(flow, 1.0, 9)
    ends = []
    for _ in range(2):
        flow.closed(5.0, begin(5.0), BOTH)
        ends.append(flow.opened(5.1, Pause(0.1, 0.1, NONE)))
    assert ends == [True, False]
    assert flow.amounts == [20.0, 200.0]


def closure(flow: WindowedFlow, begins: float, count: int, amounts: AdmittedAmounts = ONE) -> bool:
    """So many requests, a closure 49 s later, and room again after a minute."""
    fill(flow, begins + 1.0, count, amounts)
    flow.closed(begins + 50.0, begin(begins + 50.0), BOTH)
    return flow.opened(begins + 62.0, Pause(12.0, 12.0, NONE))


def test_a_full_closure_between_them_begins_the_count_again() -> None:
    flow = hidden()
    found = [closure(flow, 1000.0 * number, count) for number, count in enumerate((9, 20, 9, 9))]
    assert found == [True, True, True, False]


def test_a_closure_at_less_than_the_amount_takes_half_of_the_difference() -> None:
    flow = hidden()
    assert closure(flow, 0.0, 16)
    assert flow.amounts == pytest.approx([18.0, 180.0])
    one = hidden(amounts=(0.5, 0.5))
    assert one.amounts == [1.0, 1.0], "one at least"
    assert closure(one, 0.0, 1, (1.0, 0.1))
    assert one.amounts == [1.0, 1.0]


def test_a_closure_beyond_the_amount_raises_it() -> None:
    flow = hidden()
    fill(flow, 1.0, 24)
    flow.closed(30.0, begin(30.0), (True, False))
    assert flow.opened(60.0, Pause(30.0, 30.0, NONE))
    assert (flow.span, flow.amounts) == (60.0, [24.0, 200.0]), "tokens are no suspect"


def test_the_resource_that_was_fuller_is_the_one_that_is_short() -> None:
    for tokens, amounts in [(9.4, [18.0, 200.0]), (9.5, [18.0, 176.0])]:
        flow = hidden()
        closure(flow, 0.0, 16, (1.0, tokens))
        assert flow.amounts == pytest.approx(amounts)


def test_a_server_that_opens_too_early_has_no_such_window() -> None:
    """The oldest entries of second 1 expire at 61: 56 s after the closure, of which 0.4 are 22.4."""
    for at, closed_s, holds in [(5.0, 22.3, False), (5.0, None, True), (53.0, 0.1, False), (57.0, 0.1, True)]:
        flow = hidden()
        fill(flow, 1.0, 20)
        flow.closed(at, begin(at), BOTH)
        seconds = 0.4 * flow.until_room(at) if closed_s is None else closed_s
        assert flow.opened(100.0, Pause(seconds, seconds, NONE)) is holds


def test_a_window_is_full_if_one_of_its_resources_is() -> None:
    for requests, until_room in [(9, 0.0), (10, 56.0)]:
        half = hidden()
        fill(half, 1.0, requests, (1.0, 0.1))
        assert half.until_room(5.0) == pytest.approx(until_room, abs=1e-5)
    flow = hidden()
    assert [closure(flow, 1000.0 * number, 10, (1.0, 0.1)) for number in range(2)] == [True, True]


@pytest.mark.parametrize(("opened", "holds"), [(14.9, False), (15.0, True)])
def test_a_window_shorter_than_a_quarter_of_a_minute_is_none(opened: float, holds: bool) -> None:
    flow = hidden(20.0)
    fill(flow, 0.0, 20)
    flow.closed(1.0, begin(1.0), BOTH)
    assert flow.opened(opened, Pause(opened - 1.0, opened - 1.0, NONE)) is holds


def test_after_two_seconds_of_waiting_one_request_finds_out() -> None:
    flow = hidden()
    flow.sent(0.0, ONE, is_query=False)
    assert flow.earliest(1.5, ONE, NONE, NONE) == 1.5
    flow.sent(1.5, ONE, is_query=False)
    assert flow.earliest(3.5, ONE, NONE, NONE) == 3.5
    flow.sent(3.5, ONE, is_query=False)
    assert flow.earliest(4.1, ONE, NONE, NONE) == 6.1
    flow.answered(4.2, 4.0, ONE, is_query=False, success=False)
    assert flow.earliest(4.3, ONE, NONE, NONE) == 6.3
    flow.answered(4.4, 4.0, ONE, is_query=False, success=True)
    assert flow.earliest(4.5, ONE, NONE, NONE) == 4.5


def test_what_has_expired_does_not_hide_what_has_not() -> None:
    flow = hidden()
    fill(flow, 1.0, 1)
    fill(flow, 30.0, 20)
    assert flow.earliest(70.0, ONE, NONE, NONE) == pytest.approx(90.0, abs=1e-5)
    of_known = known()
    fill(of_known, 1.0, 1)
    fill(of_known, 5.0, 20)
    assert of_known.earliest(12.0, ONE, NONE, NONE) == pytest.approx(15.0, abs=1e-5)


@pytest.mark.parametrize("flow", [hidden(), known()], ids=["hidden", "known"])
def test_a_request_larger_than_the_window_is_sent_while_that_is_empty(flow: WindowedFlow | KnownWindowFlow) -> None:
    assert flow.earliest(1.0, (50.0, 10.0), NONE, NONE) == 1.0
    fill(flow, 1.0, 1)
    assert flow.earliest(1.0, (50.0, 10.0), NONE, NONE) > 10.0


def beyond() -> WindowedFlow:
    """At twice the recovery time: three tenths more than was measured."""
    flow = hidden(10.0, (100.0, 1000.0))
    fill(flow, 20.0, 98)
    return flow


def test_beyond_the_measured_amount_requests_feel_their_way() -> None:
    flow = beyond()
    fill(flow, 20.0, 2)
    at_once = []
    for _ in range(3):
        sent = 0
        while flow.earliest(20.0, ONE, NONE, NONE) == 20.0:
            flow.sent(20.0, ONE, is_query=False)
            sent += 1
        at_once.append(sent)
        assert flow.earliest(20.0, ONE, NONE, NONE) == pytest.approx(30.0, abs=1e-5)
        for _ in range(sent):
            flow.answered(20.0, 20.0, ONE, is_query=False, success=True)
    assert at_once == [1, 2, 4]
    flow.closed(20.0, begin(20.0), BOTH)
    assert flow.earliest(20.0, ONE, NONE, NONE) == 20.0
    flow.sent(20.0, ONE, is_query=False)
    assert flow.earliest(20.0, ONE, NONE, NONE) > 20.0, "one again after a closure"


def test_the_next_of_those_waits_for_the_oldest_request_also_for_one_without_tokens() -> None:
    requests = Window()
    requests.sent(12.0, 1000.0)
    requests.answered(12.0, 12.0, 1000.0)
    flow = WindowedFlow(12.0, 60.0, (1000.0, 1e9), HIDDEN, (requests, Window()))
    assert flow.earliest(32.0, ONE, NONE, NONE) == 32.0
    fill(flow, 32.0, 1)
    for _ in range(2):
        assert flow.earliest(32.0, ONE, NONE, NONE) == 32.0
        flow.sent(32.0, ONE, is_query=False)
    assert flow.earliest(32.0, ONE, NONE, NONE) == pytest.approx(72.0, abs=1e-5)


def test_up_to_the_measured_amount_they_need_not() -> None:
    flow = beyond()
    for _ in range(2):
        assert flow.earliest(20.0, ONE, NONE, NONE) == 20.0
        flow.sent(20.0, ONE, is_query=False)
    assert flow.earliest(20.0, ONE, NONE, NONE) > 20.0, "two are in flight"
    flow = beyond()
    assert flow.earliest(20.0, ONE, (3.0, 0.0), NONE) == 20.0, "what is set aside counts too"
    flow.sent(20.0, ONE, is_query=False)
    assert flow.earliest(20.0, ONE, (3.0, 0.0), NONE) > 20.0


def test_a_window_that_opens_early_is_as_long_as_the_time_since_the_opening_before() -> None:
    flow, spans = WindowedFlow(1000.0, 60.0, (20.0, 200.0), HIDDEN, (Window(), Window())), []
    for opened, closed_s in [(1042.0, 21.0), (1082.0, 19.9), (1112.0, 15.0), (1152.0, 40.0), (1252.0, 90.0)]:
        fill(flow, opened - closed_s - 1.0, 20)
        flow.closed(opened - closed_s, begin(), BOTH)
        assert flow.opened(opened, Pause(closed_s, closed_s, NONE))
        spans.append(flow.span)
    assert spans == [42.0, 42.0, 30.0, 30.0, 40.0], "one is longer only as the one before was; an outage is none"


def test_its_average_is_the_amount_over_the_span_and_nothing_is_left_over() -> None:
    flow = hidden()
    assert flow.average == (20.0 / 60.0, 200.0 / 60.0)
    assert (flow.left_over(0.0, ONE), flow.is_stray(None), flow.is_estimate) == (NONE, False, True)


# --- a queue


def rounds(limit: QueueLimit, elapsed: float, count: int, now: float = 0.0) -> list[int]:
    """Slots after each of so many answers, one after the other."""
    slots = []
    for _ in range(count):
        now += elapsed
        limit.answered(now, elapsed, 100.0, limit.slots)
        slots.append(limit.slots)
    return slots


def test_four_answers_of_one_request_at_a_time_are_the_first_base() -> None:
    assert rounds(QueueLimit(64), 1.0, 5) == [1, 1, 1, 4, 4]
    assert rounds(QueueLimit(1), 1.0, 20) == [1] * 20
