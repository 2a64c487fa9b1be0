"""Both resources of an even flow at a 429 and at a closure: credit, waits, and what is measured. Numbers by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.gate.test_even_flow_numbers import ALL, NONE, episode, flow, reject, send, succeed


def test_the_credit_at_a_429_is_what_was_earned_until_then() -> None:
    """Half a request, at two thirds of the rate from then on; of a slow flow half of one as well."""
    for per_s, now in ((10.0, 0.05), (0.5, 1.0)):
        cut = flow((per_s, 1000.0))
        reject(cut, now)
        assert cut.earliest(now, (1.0, 0.0), NONE, NONE) == pytest.approx(now + 0.5 / (per_s * 2 / 3))


def test_a_closure_measures_the_resource_that_came_nearer_to_its_rate() -> None:
    closed = flow()
    lap = replace(episode(10.0, (50.0, 9000.0)), rejected=(1.0, 100.0))
    closed.closed(30.0, lap, ALL)
    assert closed.average == pytest.approx((9.0, 900.0))


def test_a_closure_that_measured_nothing_leaves_a_slow_rate_that_grows_like_any() -> None:
    closed = flow((0.5, 1000.0))
    closed.closed(10.0, episode(10.0, (5.0, 0.0), from_full=False), ALL)
    send(closed, 10.0)
    send(closed, 10.0)
    succeed(closed, 30.0)
    assert closed.average[0] == pytest.approx(0.35 * (1 + 0.04 * 0.05 / 0.95))


def test_the_time_between_two_closures_bounds_the_growth_after_them() -> None:
    """Five seconds, in which the rate grows by a 25th; half a second passes."""
    closed = flow()
    for now in (10.0, 15.0):
        closed.closed(now, replace(episode(10.0, (90.0, 0.0)), rejected=(0.0, 0.0)), (True, False))
    before = closed.average[0]
    for _ in range(60):
        closed.answered(15.0, 15.0, (1.0, 50.0), is_query=False, success=True)
    send(closed, 15.0)
    send(closed, 15.0)
    closed.answered(15.5, 15.5, (1.0, 50.0), is_query=False, success=True)
    assert closed.average[0] == pytest.approx(before * (1 + 0.04 * 0.5 / 5))


def test_idle_time_of_before_a_closure_does_not_count_in_the_next() -> None:
    closed = flow()
    closed.earliest(10.0, (1.0, 50.0), NONE, NONE)
    closed.closed(10.0, episode(10.0, (50.0, 0.0), from_full=False), ALL)
    closed.closed(20.0, episode(3.0, (9.0, 0.0)), ALL)
    assert closed.average[0] == pytest.approx(3.0)


def test_both_resources_must_be_out_of_sight() -> None:
    grown, seen = flow((1.0, 100.0)), []
    for place, per_s in ((0, 30.0), (1, 2999.0), (1, 3000.0)):
        grown._rates[place].set(per_s)
        seen.append(grown.is_out_of_sight(1.0))
    assert seen == [False, False, True]


def test_a_request_that_waited_for_neither_raises_no_rate() -> None:
    same = flow()
    same.sent(0.0, (1.0, 50.0), is_query=False)
    succeed(same, 10.0)
    assert same.average == (10.0, 1000.0)
    send(same, 10.0)
    send(same, 10.0)
    same.sent(10.1, (1.0, 50.0), is_query=False)
    succeed(same, 20.0)
    assert same.average == (10.0, 1000.0)


def test_a_resource_that_is_waited_for_almost_as_long_rises_as_well() -> None:
    both = flow((1.0, 100.0))
    both.earliest(0.0, (0.95, 100.0), NONE, NONE)
    both.sent(1.0, (0.95, 100.0), is_query=False)
    succeed(both, 10.0)
    assert both.average[0] / 1.0 == pytest.approx(both.average[1] / 100.0)
    assert both.average[0] > 1.0


def test_thirty_successes_since_the_beginning_are_needed_for_an_outage() -> None:
    closed = flow()
    for number in range(29):
        succeed(closed, float(number))
    closed.closed(30.0, episode(10.0, (100.0, 5000.0), from_full=False), ALL)
    assert closed.average[0] == pytest.approx(7.0)
