"""The even flow finds a hidden rate, holds it at a few 429s in a hundred, and reacts once to the requests in flight."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aembed._gate.episode import Episode
from aembed._gate.even_flow import CLOSED_REJECTIONS, MAX_STRAY_WAIT_S, EvenFlow
from aembed._gate.even_rate import CUT_SHARE, MAX_CUT_SHARE, REJECTED_SHARE

UNKNOWN = (math.inf, math.inf)
NONE = (0.0, 0.0)
ONE = (1.0, 10.0)
BOTH = (True, True)


class Bucket:
    """A server that holds ``size`` requests and gains ``rate`` a second."""

    def __init__(self, rate: float, size: float) -> None:
        self.rate, self.size = rate, size
        self._level, self._at = size, 0.0

    def takes(self, now: float) -> bool:
        self._level = min(self.size, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


def succeed(flow: EvenFlow, now: float) -> None:
    flow.answered(now, now - 0.2, (1.0, 10.0), is_query=False, success=True)


def play(flow: EvenFlow, server: Bucket, seconds: float, *, latency: float = 0.2, begin: float = 0.0) -> list[bool]:
    """Fates of requests that always wait, in order: accepted or rejected."""
    now, fates = begin, []
    under_way: deque[tuple[float, bool]] = deque()
    while now < begin + seconds:
        when = flow.earliest(now, (1.0, 10.0), NONE, NONE)
        while under_way and under_way[0][0] + latency <= max(now, when):
            sent_at, taken = under_way.popleft()
            fates.append(taken)
            if taken:
                succeed(flow, sent_at + latency)
            else:
                flow.rejected(sent_at + latency, sent_at, ONE, BOTH, None)
        if when <= now:
            under_way.append((now, server.takes(now)))
            flow.sent(now, (1.0, 10.0), is_query=False)
        else:
            now = when
    return fates


@settings(max_examples=15)
@given(st.floats(0.5, 50.0), st.floats(0.3, 4.0), st.floats(2.0, 20.0))
def test_a_hidden_rate_is_found_from_above_and_from_below(rate: float, first: float, size: float) -> None:
    flow, server = EvenFlow(0.0, (first * rate, first * rate * 10), UNKNOWN), Bucket(rate, size)
    play(flow, server, 1200 / rate)
    fates = play(flow, server, 600 / rate, begin=1200 / rate)
    assert sum(fates) >= 0.93 * 600
    assert fates.count(False) <= 2.5 * REJECTED_SHARE * len(fates)


def test_a_known_rate_is_never_passed() -> None:
    flow = EvenFlow(0.0, (5.0, 50.0), (5.0, math.inf))
    fates = play(flow, Bucket(100.0, 100.0), 600.0)
    assert all(fates)
    assert flow.average[0] == 5.0
    assert len(fates) == pytest.approx(3000, rel=0.01)


def test_requests_in_flight_together_lower_the_rate_once() -> None:
    flow = EvenFlow(0.0, (10.0, 100.0), UNKNOWN)
    for n in range(40):
        succeed(flow, n / 10)
    before = flow.average[0]
    flow.rejected(5.0, 4.5, ONE, BOTH, None)
    once = flow.average[0]
    assert once == pytest.approx(before * (1 - CUT_SHARE))
    for _ in range(10):
        flow.rejected(5.0, 4.9, ONE, BOTH, None)
    assert flow.average[0] == once
    flow.rejected(5.5, 5.1, ONE, BOTH, None)
    assert flow.average[0] == pytest.approx(once * (1 - MAX_CUT_SHARE), rel=0.2)


def test_a_few_429s_are_strays_and_a_row_of_them_is_a_closed_server() -> None:
    flow = EvenFlow(0.0, (10.0, 100.0), UNKNOWN)
    for n in range(CLOSED_REJECTIONS - 1):
        assert flow.is_stray(MAX_STRAY_WAIT_S)
        assert not flow.is_stray(MAX_STRAY_WAIT_S + 0.1)
        flow.rejected(n + 1.0, n + 0.5, ONE, BOTH, None)
    assert not flow.is_stray(None)
    succeed(flow, 4.0)
    assert flow.is_stray(None)


def test_only_the_resource_that_kept_requests_waiting_is_slowed_down() -> None:
    flow = EvenFlow(0.0, (100.0, 10.0), UNKNOWN)
    assert flow.earliest(0.0, (1.0, 10.0), NONE, NONE) == pytest.approx(1.0)
    assert flow.earliest(1.0, (1.0, 10.0), NONE, NONE) == 1.0
    flow.sent(1.0, (1.0, 10.0), is_query=False)
    flow.rejected(1.2, 1.0, ONE, BOTH, None)
    assert flow.average[0] == 100.0
    assert flow.average[1] < 10.0


def test_an_outage_after_long_health_leaves_the_rate_as_it_is() -> None:
    flow = EvenFlow(0.0, (10.0, 100.0), (10.0, 100.0))
    for n in range(100):
        succeed(flow, n / 10)
    outage = Episode(10.0, (100.0, 1000.0), 10.0, False, 0.0, (100.0, 1000.0), 10.0, 10.0, ONE)
    flow.closed(10.0, outage, BOTH)
    assert flow.average == (10.0, 100.0)
    flow.closed(10.0, outage, BOTH)
    assert flow.average[0] < 8.0


def test_a_measurement_leaves_room_for_a_request_like_the_rejected_one() -> None:
    flow = EvenFlow(0.0, (10.0, 100.0), UNKNOWN)
    flow.measured((0.0, 0.0), 10.0, (1.0, 10.0))
    assert flow.average == (0.1, 1.0)
