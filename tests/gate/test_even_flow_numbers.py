"""An even flow, step by step: waits, growth, cuts, and the rate after a closure. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.episode import AdmittedAmounts, Episode, Pause
from aembed._gate.even_flow import EvenFlow

NONE = (0.0, 0.0)
HIDDEN = (math.inf, math.inf)
ALL = (True, True)


def flow(rates: AdmittedAmounts = (10.0, 1000.0), known: AdmittedAmounts = HIDDEN) -> EvenFlow:
    return EvenFlow(0.0, rates, known)


def send(flow: EvenFlow, now: float, amounts: AdmittedAmounts = (1.0, 50.0)) -> float:
    """Sent at the time that it is allowed, which is returned."""
    at = flow.earliest(now, amounts, NONE, NONE)
    flow.earliest(at, amounts, NONE, NONE)
    flow.sent(at, amounts, is_query=False)
    return at


def succeed(flow: EvenFlow, now: float) -> None:
    flow.answered(now, now, (1.0, 50.0), is_query=False, success=True)


def reject(flow: EvenFlow, now: float, sent_at: float | None = None, amounts: AdmittedAmounts = (1.0, 50.0)) -> None:
    flow.rejected(now, now - 0.01 if sent_at is None else sent_at, amounts, ALL, None)


def episode(seconds: float, admitted: AdmittedAmounts, *, from_full: bool = True, paused: float = 0.0) -> Episode:
    return Episode(
        began_at=0.0,
        admitted=admitted,
        seconds=seconds,
        from_full=from_full,
        paused=paused,
        minute=admitted,
        minute_seconds=seconds,
        burst=seconds,
        rejected=(1.0, 50.0),
    )


def test_requests_are_evenly_apart() -> None:
    even, at, times = flow(), 0.0, []
    for _ in range(4):
        at = send(even, at)
        times.append(at)
    assert times == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_the_resource_that_is_needed_for_longer_decides() -> None:
    by_tokens = flow()
    assert send(by_tokens, 0.0, (1.0, 500.0)) == pytest.approx(0.5)
    assert send(by_tokens, 0.5, (1.0, 500.0)) == pytest.approx(1.0)


def test_credit_is_saved_for_the_largest_request_and_no_more() -> None:
    idle = flow()
    send(idle, 0.0, (1.0, 500.0))
    assert send(idle, 100.0, (1.0, 500.0)) == 100.0
    assert send(idle, 100.0, (1.0, 100.0)) == pytest.approx(100.1)


def test_what_is_set_aside_is_waited_for() -> None:
    assert flow().earliest(0.0, (1.0, 50.0), (1.0, 0.0), NONE) == pytest.approx(0.2)


def test_no_rate_below_the_least_is_in_force() -> None:
    assert flow().earliest(0.0, (1.0, 1.0), NONE, (20.0, 0.0)) == pytest.approx(0.05)
    assert flow((10.0, math.inf)).earliest(0.0, (1.0, 1e9), NONE, NONE) == pytest.approx(0.1)


def test_a_rate_is_one_a_minute_at_least_and_never_above_a_known_one() -> None:
    assert flow((0.0, 1e9), (math.inf, 500.0)).average == (1 / 60, 500.0)


def test_a_success_adds_a_475th_to_what_delayed_its_request() -> None:
    grown = flow()
    send(grown, 0.0)
    send(grown, 0.1)
    succeed(grown, 1.0)
    assert grown.average == pytest.approx((10.0 * (1 + 0.04 * 0.05 / 0.95), 1000.0))
    succeed(grown, 2.0)
    assert grown.average[1] == 1000.0, "tokens have delayed nothing"


def test_growth_is_limited_to_a_doubling_in_five_seconds() -> None:
    quick = flow()
    send(quick, 0.0)
    send(quick, 0.1)
    succeed(quick, 0.001)
    assert quick.average[0] == pytest.approx(10.0 * (1 + 0.001 / 5))


def test_growth_accelerates_after_thirty_successes_up_to_a_twentieth() -> None:
    long = flow()
    send(long, 0.0)
    send(long, 0.1)
    for number in range(1, 31):
        succeed(long, float(number))
    before = long.average[0]
    succeed(long, 31.0)
    usual = 0.04 * 0.05 / 0.95
    assert long.average[0] / before - 1 == pytest.approx(usual * (31 / 30) ** 2)
    for number in range(32, 200):
        before = long.average[0]
        succeed(long, float(number))
    assert long.average[0] / before - 1 == pytest.approx(0.05)


def test_a_failure_that_is_no_429_changes_nothing() -> None:
    same = flow()
    send(same, 0.0)
    send(same, 0.1)
    same.answered(1.0, 0.1, (1.0, 50.0), is_query=False, success=False)
    assert same.average == (10.0, 1000.0)


def test_a_429_takes_a_25th_from_what_its_request_needs_most() -> None:
    cut = flow()
    for number in range(20):
        succeed(cut, float(number))
    reject(cut, 30.0)
    assert cut.average == pytest.approx((9.6, 1000.0))
    by_tokens = flow()
    for number in range(20):
        succeed(by_tokens, float(number))
    reject(by_tokens, 30.0, amounts=(1.0, 500.0))
    assert by_tokens.average == pytest.approx((10.0, 960.0))
    both = flow()
    for number in range(20):
        succeed(both, float(number))
    reject(both, 30.0, amounts=(1.0, 95.0))
    assert both.average == pytest.approx((9.6, 960.0))


@pytest.mark.parametrize(("successes", "left"), [(7, 9.6), (6, 10 * (1 - 1 / 9)), (1, 7.5), (0, 10 * (1 - 1 / 3))])
def test_more_than_one_429_in_ten_takes_as_large_a_share(successes: int, left: float) -> None:
    """Two answers are added, since the first few decide little."""
    cut = flow()
    for number in range(successes):
        succeed(cut, float(number))
    reject(cut, 30.0)
    assert cut.average[0] == pytest.approx(left)


def test_no_cut_takes_more_than_half() -> None:
    cut = flow()
    for _ in range(5):
        reject(cut, 30.0, sent_at=-1.0)  # sent before the flow began
    assert cut.average[0] == 10.0
    reject(cut, 30.0)
    assert cut.average[0] == pytest.approx(5.0)


def test_429s_to_requests_that_were_in_flight_together_are_one() -> None:
    cut = flow()
    for number in range(20):
        succeed(cut, float(number))
    for sent_at in (29.9, 29.95, 30.0):
        reject(cut, 30.0, sent_at)
    assert cut.average[0] == pytest.approx(9.6)
    reject(cut, 31.0, 30.1)
    assert cut.average[0] < 9.6


@pytest.mark.parametrize(("wait", "stray"), [(None, True), (2.0, True), (2.1, False)])
def test_a_429_with_a_short_retry_after_concerns_one_request(wait: float | None, stray: bool) -> None:
    assert flow().is_stray(wait) is stray


def test_the_third_429_in_a_row_closes() -> None:
    row = flow()
    for begins in (30.0, 40.0):
        seen = []
        for number in range(3):
            seen.append(row.is_stray(None))
            assert row.rejected(begins + number, begins - 1.0, (1.0, 50.0), ALL, None), "it suits any server"
        assert seen == [True, True, False]
        succeed(row, begins + 5.0)


def test_a_closure_leaves_seven_tenths_where_nothing_was_measured() -> None:
    closed = flow()
    closed.closed(30.0, episode(10.0, (100.0, 5000.0), from_full=False), ALL)
    assert closed.average == pytest.approx((7.0, 1000.0))


def test_a_closure_after_thirty_successes_is_taken_for_an_outage() -> None:
    closed = flow()
    for number in range(30):
        succeed(closed, float(number))
    closed.closed(30.0, episode(10.0, (100.0, 5000.0), from_full=False), ALL)
    assert closed.average == pytest.approx((10.0, 1000.0))


@pytest.mark.parametrize(
    ("admitted", "rate"),
    [(50.0, 5.0), (20.0, 3.0), (96.1, 7.0), (96.0, 9.6), (95.0, 9.5)],
    ids=["half of it", "three tenths at least", "as much as it was", "just less", "almost as much"],
)
def test_a_closure_leaves_what_was_measured(admitted: float, rate: float) -> None:
    closed = flow()
    closed.closed(30.0, episode(10.0, (admitted, 0.0)), ALL)
    assert closed.average[0] == pytest.approx(rate)


@pytest.mark.parametrize(
    ("measured", "rate"),
    [
        (episode(0.5, (2.0, 0.0)), 4.0),
        (episode(0.49, (2.0, 0.0)), 7.0),
        (episode(0.5, (1.0, 0.0)), 7.0),
        (episode(10.0, (40.0, 0.0), paused=3.0), 4.0),
        (episode(10.0, (40.0, 0.0), paused=3.1), 7.0),
    ],
)
def test_a_rate_is_measured_by_two_requests_half_a_second_and_little_idleness(measured: Episode, rate: float) -> None:
    closed = flow()
    closed.closed(30.0, measured, ALL)
    assert closed.average[0] == pytest.approx(rate)


def test_a_row_of_429s_that_closes_counts_from_the_rate_before_it() -> None:
    closed = flow()
    for number in range(20):
        succeed(closed, float(number))
    for number in range(3):
        reject(closed, 30.0 + number)
    closed.closed(33.0, episode(10.0, (100.0, 0.0), from_full=False), ALL)
    assert closed.average[0] == pytest.approx(7.0)


def test_a_measurement_lowers_hidden_rates_alone() -> None:
    hidden = flow()
    hidden.measured((30.0, 100.0), 10.0, (1.0, 50.0))
    assert hidden.average == pytest.approx((3.0, 1000.0))
    hidden.measured((1.0, 100.0), 10.0, (20.0, 50.0))
    assert hidden.average[0] == pytest.approx(2.0), "one such request in the time"
    hidden.measured((500.0, 100.0), 10.0, (1.0, 50.0))
    assert hidden.average[0] == pytest.approx(2.0)
    stated = flow(known=(10.0, math.inf))
    stated.measured((30.0, 100.0), 10.0, (1.0, 50.0))
    assert stated.average == (10.0, 1000.0)


def test_it_starts_again_without_credit_or_debt() -> None:
    opened, rich = flow(), flow()
    for _ in range(5):
        opened.sent(0.0, (1.0, 50.0), is_query=False)
    rich.earliest(5.0, (1.0, 50.0), NONE, NONE)
    for now, each in ((0.0, opened), (5.0, rich)):
        assert each.opened(now, Pause(closed=1.0, seconds=2.0, admitted=NONE))
        assert each.earliest(now, (1.0, 50.0), NONE, NONE) == now + 0.1


def test_it_is_dropped_at_thirty_times_the_rate_of_the_last_429() -> None:
    grown, now = flow((1.0, 1.0)), 0.0
    for _ in range(1000):
        if grown.is_out_of_sight(now):
            break
        now = send(grown, now, (1.0, 1.0))
        succeed(grown, now)
    assert min(grown.average) == pytest.approx(30.0, rel=0.06)
    reject(grown, now)
    assert not grown.is_out_of_sight(now)


def test_corrections_are_paid_and_nothing_is_left_over() -> None:
    paid = flow()
    paid.corrected(0.0, 500.0)
    assert paid.earliest(0.0, (0.0, 100.0), NONE, NONE) == pytest.approx(0.6)
    assert (paid.left_over(0.0, NONE), paid.until_room(0.0), paid.span, paid.window(0)) == (NONE, 0.0, None, None)
    assert paid.is_estimate
