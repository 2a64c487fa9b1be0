"""The rate of an even flow after 429s: how fast it grows, what a closure measures, what a Retry-After says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aembed._gate.even_flow import EvenFlow
from aembed._gate.even_rate import GROWTH_SHARE, EvenRate
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


@pytest.mark.parametrize(("idle_s", "is_measured"), [(11.0, True), (11.1, False)])
def test_a_pause_measures_nothing_if_the_flow_was_idle_for_longer(idle_s: float, is_measured: bool) -> None:
    """Eight seconds of pause, and three tenths of ten seconds."""
    closed = flow()
    closed.closed(10.0, episode(10.0, (1.0, 0.0), paused=8.0), ALL)
    before = closed.average[0]
    closed._rates[0].unused_s = idle_s
    closed.closed(20.0, episode(10.0, (1.0, 0.0), paused=8.0), ALL)
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


def rate(per_s: float = 10.0) -> EvenRate:
    return EvenRate(0.0, per_s, math.inf)


def test_credit_beyond_the_largest_request_is_time_that_nobody_used() -> None:
    idle = rate()
    assert idle.wait(0.1, 1.0, 0.0) == 0.0
    assert idle.unused_s == 0.0
    for passed in (1.0, 0.5):
        assert idle.wait(passed, 1.0, 0.0) == 0.0
    assert idle.unused_s == pytest.approx(1.5)
    idle.opened()
    assert idle.wait(0.0, 1.0, 0.0) == pytest.approx(0.1)


def test_growth_is_fast_below_the_goal_and_not_at_it() -> None:
    for goal, growth in [(10.1, 0.05), (10.0, GROWTH_SHARE)]:
        grown = rate()
        grown.closed(0.0, 10.0, goal, 0.0)
        grown.succeeded(1.0, 10.0, has_waited=True)
        assert grown.per_s == pytest.approx(10.0 * (1 + growth))


def test_without_a_goal_a_slow_rate_grows_like_any() -> None:
    new, cut, closed = rate(0.5), rate(0.5), rate(0.5)
    cut.rejected(1.0, 0.5, 1.0, 0.0)
    closed.closed(1.0, 0.5, 0.0, 0.0)
    for slow in (new, cut, closed):
        before = slow.per_s
        slow.succeeded(20.0, 10.0, has_waited=True)
        assert slow.per_s == pytest.approx(before * (1 + GROWTH_SHARE))


def test_growth_accelerates_with_the_square_of_a_run_longer_than_thirty() -> None:
    """Which begins again with a 429, and with a closure."""
    new, cut, closed = rate(), rate(), rate()
    for _ in range(50):
        cut.succeeded(1.0, 1.0, has_waited=False)
        closed.succeeded(1.0, 1.0, has_waited=False)
    cut.rejected(2.0, -1.0, 1.0, 0.0)
    closed.closed(2.0, 10.0, 0.0, 0.0)
    for run in (new, cut, closed):
        for number in range(1, 33):
            before = run.per_s
            run.succeeded(3.0, 1.0, has_waited=number > 29)
            if number > 29:
                assert run.per_s / before - 1 == pytest.approx(GROWTH_SHARE * (number / 30) ** 2)


@pytest.mark.parametrize(
    ("now", "period", "growth"),
    [(30.0, 10.0, 0.004 * 4), (12.0, 10.0, 0.004), (60.0, 40.0, 0.002 * 4), (5000.0, 10.0, 0.05)],
)
def test_growth_in_a_period_accelerates_after_one_and_a_half_of_at_most_twenty_seconds(
    now: float, period: float, growth: float
) -> None:
    calm = rate()
    calm.closed(0.0, 10.0, 0.0, period)
    for _ in range(300):
        calm.succeeded(0.0, 0.0, has_waited=False)
    calm.succeeded(now, 1.0, has_waited=True)
    assert calm.per_s == pytest.approx(10.0 * (1 + growth))


@pytest.mark.parametrize(("period", "left"), [(5.0, 1 - 2 / 12), (0.0, 1 - 2 / 4)])
def test_after_a_measurement_the_first_429s_decide_less(period: float, left: float) -> None:
    """There are two 429s, the first to a request that was sent before the closure."""
    measured = rate()
    measured.closed(10.0, 10.0, 0.0, period)
    measured.rejected(11.0, 9.0, 1.0, 0.0)
    assert measured.per_s == 10.0
    measured.rejected(12.0, 11.0, 1.0, 0.0)
    assert measured.per_s == pytest.approx(10.0 * left)
    before = measured.per_s
    measured.rejected(14.0, 13.0, 1.0, 0.0)
    assert measured.per_s == pytest.approx(before * (1 - 1 / 3)), "after one cut the next has one of three again"


def test_after_a_cut_answers_are_counted_anew() -> None:
    cut = rate()
    for now in (10.0, 20.0):
        before = cut.per_s
        for _ in range(7):
            cut.succeeded(now, 1.0, has_waited=False)
        cut.rejected(now, now - 1.0, 1.0, 0.0)
        assert cut.per_s == pytest.approx(before * 0.96), "one of ten"
