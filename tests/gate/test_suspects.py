"""A 429 slows down the resource that its request needs most, and none of which replies report enough."""

from __future__ import annotations

import math

import pytest

from aembed import QuotaHints, Reply
from aembed._gate import Reservation
from aembed._gate.episode import Episode, Pause
from aembed._gate.even_flow import EvenFlow
from aembed._gate.first_rates import first_rates, unsuspected_more
from aembed._gate.pace import Pace
from aembed._gate.quotas import Quotas
from aembed._gate.window import Window
from aembed._gate.windowed_flow import WindowedFlow
from aembed._settings.policies import Limits
from tests.gate.visits import REPLY, limited

UNKNOWN = (math.inf, math.inf)
BOTH = (True, True)
DOCUMENT, QUERY = (1.0, 10_000.0), (1.0, 10.0)


def episode(rejected: tuple[float, float], minute: tuple[float, float] = (60.0, 100_000.0)) -> Episode:
    return Episode(10.0, minute, 10.0, False, 0.0, minute, 60.0, 10.0, rejected)


@pytest.mark.parametrize(("amounts", "slowed"), [(DOCUMENT, 1), (QUERY, 0)], ids=["document", "query"])
def test_a_stray_429_slows_down_what_its_request_needs_longest(amounts: tuple[float, float], slowed: int) -> None:
    flow = EvenFlow(0.0, (10.0, 10_000.0), UNKNOWN)
    before = list(flow.average)
    flow.rejected(1.0, 0.5, amounts, BOTH, None)
    assert flow.average[slowed] < before[slowed]
    assert flow.average[1 - slowed] == before[1 - slowed]


@pytest.mark.parametrize(("amounts", "slowed"), [(DOCUMENT, 1), (QUERY, 0)], ids=["document", "query"])
def test_a_closure_slows_down_what_its_first_request_needs_longest(amounts: tuple[float, float], slowed: int) -> None:
    flow = EvenFlow(0.0, (10.0, 10_000.0), UNKNOWN)
    before = list(flow.average)
    flow.closed(10.0, episode(amounts), BOTH)
    assert flow.average[slowed] < before[slowed]
    assert flow.average[1 - slowed] == before[1 - slowed]


def test_a_resource_with_room_is_not_suspected() -> None:
    flow = EvenFlow(0.0, (10.0, 10_000.0), UNKNOWN)
    flow.rejected(1.0, 0.5, DOCUMENT, (True, False), None)
    assert (flow.average[0] < 10.0, flow.average[1]) == (True, 10_000.0)


@pytest.mark.parametrize(("remaining", "slowed"), [(900.0, [1]), (3.0, [0, 1])], ids=["much left", "little left"])
def test_replies_that_report_much_left_leave_the_other_resource(remaining: float, slowed: list[int]) -> None:
    quotas = Quotas(Limits())
    for left in (950.0, remaining):
        one = Reservation("document", 0, 1000.0)
        quotas.commit(0.0, one)
        hints = QuotaHints(limit_requests=1000.0, remaining_requests=left, reset_requests=30.0)
        quotas.answered(0.5, one, Reply(REPLY.vectors, quota=hints))
    rates = (1000 / 60, 1000 / 60 * 1000)
    quotas.pace.flow = flow = EvenFlow(0.5, rates, (rates[0], math.inf))
    again = Reservation("document", 0, 1000.0)
    again.sent_at = 1.0
    quotas.commit(1.0, again)
    quotas.rejected(1.5, again, None)
    assert [place for place in (0, 1) if flow.average[place] < rates[place]] == slowed


@pytest.mark.parametrize("begins", [False, True], ids=["stray", "closure"])
def test_a_known_limit_that_is_full_clears_the_other_resource(begins: bool) -> None:
    quotas = Quotas(limited(60.0, None))
    for _ in range(58):
        quotas.commit(0.0, Reservation("document", 0, 10.0))
    quotas.pace.flow = flow = EvenFlow(0.0, (1.0, 1000.0), (1.0, math.inf))
    large = Reservation("document", 0, 10_000.0)
    quotas.commit(1.0, large)
    large.sent_at = 1.0
    if begins:
        quotas.begin_episode(1.5, large, None)
    else:
        quotas.rejected(1.5, large, None)
    assert [place for place in (0, 1) if flow.average[place] < (1.0, 1000.0)[place]] == [0]


def test_of_a_resource_that_the_rejected_request_hardly_needs_more_is_allowed_at_first() -> None:
    pace = Pace()
    pace.slow_down(10.0, episode((1.0, 50_000.0), (60.0, 100_000.0)), BOTH)
    assert isinstance(pace.flow, EvenFlow)
    assert pace.flow.average == pytest.approx((4.0, 100_000 / 60))


def pause_after(pace: Pace, burst: float, closed: float) -> None:
    """Bursts of two requests a second, an episode, and the end of its pause."""
    amounts = 2 * burst, 2000 * burst
    one = Episode(burst, amounts, burst, False, 0.0, amounts, burst, burst, (1.0, 1000.0))
    pace.slow_down(burst, one, BOTH)
    pace.recover(burst + closed, one, Pause(closed, closed, amounts), (Window(), Window()))


@pytest.mark.parametrize(
    ("burst", "closed", "kind"),
    [(20.0, 40.0, WindowedFlow), (4.0, 56.0, WindowedFlow), (53.0, 59.0, EvenFlow), (50.0, 40.0, EvenFlow)],
)
def test_a_pause_longer_than_a_minute_s_window_allows_is_an_outage(burst: float, closed: float, kind: type) -> None:
    pace = Pace()
    pause_after(pace, burst, closed)
    assert isinstance(pace.flow, kind)


def test_stated_limits_alone_report_nothing() -> None:
    quotas = Quotas(limited(60.0, 60_000.0))
    assert quotas.suspects() == BOTH


def test_known_rates_stay_as_they_are_and_hidden_ones_are_four_times_as_high_if_few_needed_them() -> None:
    assert first_rates(episode((1.0, 10.0), (30.0, 300.0)), (2.0, 40.0)) == (2.0, 40.0)
    assert first_rates(episode((1.0, 10.0), (30.0, 0.0)), (math.inf, 40.0)) == (2.0, 40.0)
    assert unsuspected_more((5.0, 6.0), (2.0, 30.0), (1.0, 100.0)) == (5.0, 6.0)
    assert unsuspected_more((5.0, 6.0), (2.0, 20.0), (1.0, 100.0)) == (5.0, 24.0)
