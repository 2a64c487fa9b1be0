"""The rate of an even flow after 429s: how fast it grows, what a closure measures, what a Retry-After says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aembed._gate.even_flow import EvenFlow
from aembed._gate.even_rate import EvenRate
from tests.gate.test_even_flow_numbers import ALL, HIDDEN, NONE, episode, flow, send, succeed


def test_in_the_time_between_two_closures_it_grows_by_a_25th_and_then_ever_faster() -> None:
    """Twenty requests a second, windows of ten seconds: a share of each success would be half of the rate in one."""
    calm = flow((20.0, 10_000.0))
    calm.closed(10.0, episode(10.0, (190.0, 0.0)), ALL)
    at, rates = 10.0, {}
    while at < 60:
        at = send(calm, at)
        succeed(calm, at)
        rates[int(at)] = calm.average[0]
    assert rates[20] / rates[15] == pytest.approx(1.02, abs=0.003)
    assert rates[25] / rates[20] == pytest.approx(1.02, abs=0.003)
    assert rates[55] / rates[50] > 1.1


def test_room_for_one_more_request_that_a_measurement_leaves_is_found_fast() -> None:
    found = flow()
    found.closed(30.0, episode(2.0, (6.0, 0.0)), ALL)
    at, growth = 30.0, []
    for _ in range(6):
        before = found.average[0]
        at = send(found, at)
        succeed(found, at)
        growth.append(found.average[0] / before - 1)
    assert before > 3.47 > 3.0 * 1.05**2, "six and one in two seconds"
    assert growth[0] == 0.0, "nothing waited for the first"
    assert growth[1:5] == pytest.approx([0.05] * 4)
    assert growth[5] < 0.01


def test_the_time_of_a_row_of_429s_that_closes_measures_nothing() -> None:
    closed = EvenFlow(29.9, (10.0, 1000.0), HIDDEN)
    for number in range(3):
        closed.rejected(30.0 + 2 * number, 29.99 + 2 * number, (1.0, 50.0), ALL, 2.0)
    lap = replace(episode(14.0, (50.0, 0.0)), began_at=33.99)
    closed.closed(34.0, lap, ALL)
    assert closed.average[0] == pytest.approx(5.0), "50 in the ten seconds before the row"


@pytest.mark.parametrize(("paused", "is_measured"), [((8.0, 8.0), True), ((4.0, 8.0), True), ((3.9, 8.0), False)])
def test_two_closures_with_pauses_alike_measure_a_rate(paused: tuple[float, float], is_measured: bool) -> None:
    """An outage makes a pause as well, but only one."""
    closed = flow()
    closed.closed(10.0, episode(10.0, (1.0, 0.0), paused=paused[0]), ALL)
    before = closed.average[0]
    closed.closed(20.0, episode(10.0, (1.0, 0.0), paused=paused[1]), ALL)
    assert closed.average[0] == pytest.approx(0.1 if is_measured else 0.7 * before)


@pytest.mark.parametrize(("wait", "waits"), [(0.4, 0.4), (1.0, 0.0), (2.0, 1.0), (None, 0.0)])
def test_the_next_request_waits_as_long_as_a_429_asked_for(wait: float | None, waits: float) -> None:
    """Whole seconds are rounded up, so that one less is sure."""
    slow = flow((1000.0, 1e6))
    send(slow, 0.0)
    slow.rejected(1.0, 0.9, (1.0, 50.0), ALL, wait)
    assert slow.earliest(1.0, (1.0, 50.0), NONE, NONE) - 1.0 == pytest.approx(waits)


def test_429s_within_a_retry_after_are_one() -> None:
    cut = flow()
    for number in range(20):
        succeed(cut, float(number))
    cut.rejected(30.0, 29.9, (1.0, 50.0), ALL, 1.5)
    once = cut.average[0]
    cut.rejected(31.5, 31.4, (1.0, 50.0), ALL, 1.5)
    assert cut.average[0] == once
    succeed(cut, 31.6)
    cut.rejected(31.7, 31.6, (1.0, 50.0), ALL, 1.5)
    assert cut.average[0] < once


def test_of_a_longer_time_between_two_closures_twenty_seconds_count() -> None:
    """A 25th of the rate in twenty seconds; a hundred would make it five times as slow."""
    rate = EvenRate(0.0, 10.0, math.inf)
    rate.closed(100.0, 10.0, 0.0, 100.0)
    rate.succeeded(101.0, 0.5, has_waited=True)
    assert rate.per_s == pytest.approx(10.0 * (1 + 0.04 * 0.5 / 20))
