"""Which flow a pace chooses, when it goes back to another, and when it is done. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate import Reservation
from aembed._gate.episode import AdmittedAmounts, Episode, Pause
from aembed._gate.even_flow import EvenFlow
from aembed._gate.known_window_flow import KnownWindowFlow
from aembed._gate.pace import Pace
from aembed._gate.window import Window
from aembed._gate.windowed_flow import WindowedFlow

HIDDEN = (math.inf, math.inf)
BOTH = (True, True)
KNOWN = (2.0, 20.0)


def episode(
    minute: AdmittedAmounts = (30.0, 300.0),
    *,
    at: float = 0.0,
    burst: float = 5.0,
    rejected: AdmittedAmounts = (1.0, 10.0),
    seconds: float = 60.0,
) -> Episode:
    return Episode(
        began_at=at,
        admitted=minute,
        seconds=burst,
        from_full=False,
        paused=0.0,
        minute=minute,
        minute_seconds=seconds,
        burst=burst,
        rejected=rejected,
    )


def pause(closed: float = 20.0, admitted: AdmittedAmounts = (30.0, 300.0), seconds: float | None = None) -> Pause:
    return Pause(closed, closed if seconds is None else seconds, admitted)


def windows() -> tuple[Window, Window]:
    return Window(), Window()


def paced(known: AdmittedAmounts = HIDDEN, **given: AdmittedAmounts) -> Pace:
    """After a first episode at second 0."""
    pace = Pace()
    pace.knows(known)
    pace.slow_down(0.0, episode(**given), BOTH)  # type: ignore[arg-type]
    return pace


def rates(pace: Pace) -> AdmittedAmounts:
    assert pace.flow is not None
    return pace.flow.average


def test_without_a_429_nothing_is_paced() -> None:
    pace, reservation = Pace(), Reservation("document", 0, 1e9)
    assert pace.earliest(5.0, reservation, (0.0, 0.0)) == 5.0
    assert (pace.left_over(5.0, reservation), pace.until_room(5.0), pace.window(0)) == (HIDDEN, 0.0, None)
    assert not pace.is_stray(None)


@pytest.mark.parametrize(("requests", "flows"), [(2.9, False), (3.0, True)])
def test_three_requests_in_a_minute_point_to_a_rate_limit(requests: float, flows: bool) -> None:
    assert (paced(minute=(requests, 300.0)).flow is not None) is flows


@pytest.mark.parametrize("how", ["explained", "understood"])
def test_what_headers_explain_is_chance_until_the_third_episode_within_a_minute_each(how: str) -> None:
    for apart, flows in [(60.0, [False, False, True]), (60.1, [False, False, False])]:
        pace, found = Pace(), []
        pace.is_understood = how == "understood"
        for number in range(3):
            pace.slow_down(number * apart, episode(), BOTH, is_explained=how == "explained")
            found.append(pace.flow is not None)
        assert found == flows


def test_a_fixed_window_that_is_full_in_every_minute_needs_no_pace() -> None:
    pace = Pace()
    pace.is_fixed = True
    for number in range(5):
        pace.slow_down(number * 30.0, episode(), BOTH, is_explained=True)
    assert pace.flow is None


@pytest.mark.parametrize(
    ("known", "given", "expected"),
    [
        (HIDDEN, episode((30.0, 300.0)), (0.5, 5.0)),
        (HIDDEN, episode((30.0, 300.0), seconds=10.0), (3.0, 30.0)),
        (HIDDEN, episode((30.0, 300.0), seconds=0.1), (60.0, 600.0)),
        (KNOWN, episode((30.0, 300.0)), KNOWN),
        ((2.0, math.inf), episode((30.0, 300.0)), (2.0, 20.0)),
        ((math.inf, 20.0), episode((30.0, 300.0)), (2.0, 20.0)),
        ((0.25, math.inf), episode((30.0, 300.0)), (0.25, 5.0)),
        (HIDDEN, episode((30.0, 300.0), rejected=(1.0, 50.0)), (2.0, 5.0)),
        (HIDDEN, episode((30.0, 300.0), rejected=(1.0, 40.0)), (0.5, 5.0)),
    ],
    ids=[
        "minute",
        "since it began",
        "half a second",
        "known",
        "tokens",
        "requests",
        "no less",
        "large",
        "not so large",
    ],
)
def test_the_first_rates_are_known_ones_or_those_of_the_last_minute(
    known: AdmittedAmounts, given: Episode, expected: AdmittedAmounts
) -> None:
    """A resource of which the rejected request needs less than a quarter as much gets four times as much."""
    pace = Pace()
    pace.knows(known)
    pace.slow_down(0.0, given, BOTH)
    assert rates(pace) == pytest.approx(expected)


def test_a_minute_of_health_gives_known_limits_back() -> None:
    pace = paced(KNOWN)
    pace.recover(10.0, episode(), pause(1.0), windows())
    pace.flow = EvenFlow(10.0, (0.1, 1.0), KNOWN)
    assert pace._least(40.0) == pytest.approx((2.0 * 0.5**3, 20.0 * 0.5**3))
    assert pace._least(10.0) == (0.0, 0.0)
    reservation = Reservation("document", 0, 1.0)
    flows = []
    for now in (69.9, 70.0):
        pace.earliest(now, reservation, (0.0, 0.0))
        flows.append(pace.flow is not None)
    assert flows == [True, False]
    hidden = paced()
    hidden.recover(10.0, episode(), pause(1.0), windows())
    hidden.earliest(1000.0, reservation, (0.0, 0.0))
    assert hidden.flow is not None, "nothing is known that would hold instead"


def test_it_is_kept_twice_as_long_each_time_that_a_burst_ends_in_429s() -> None:
    pace, now, kept = Pace(), 0.0, []
    pace.knows(KNOWN)
    reservation = Reservation("document", 0, 1.0)
    for _ in range(8):
        pace.slow_down(now, episode(at=now), BOTH)
        pace.recover(now, episode(at=now), pause(1.0), windows())
        began = now
        while pace.flow is not None:
            now += 10.0
            pace.earliest(now, reservation, (0.0, 0.0))
        kept.append(now - began)
    assert kept == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    pace.slow_down(now + 61.0, episode(), BOTH)
    pace.recover(now + 61.0, episode(), pause(1.0), windows())
    pace.earliest(now + 61.0 + 60.0, reservation, (0.0, 0.0))
    assert pace.flow is None, "a minute later it begins with a minute again"


def test_no_request_waits_longer_than_a_minute_after_the_last_of_its_kind() -> None:
    pace = paced(minute=(3.0, 1.0))
    document = Reservation("document", 0, 1e6)
    assert pace.earliest(5.0, document, (0.0, 0.0)) == 5.0, "none was sent yet"
    pace.sent(5.0, Reservation("document", 0, 1.0))
    assert pace.earliest(6.0, document, (0.0, 0.0)) == 65.0
    assert pace.earliest(6.0, Reservation("query", 0, 1e6), (0.0, 0.0)) == 6.0


@pytest.mark.parametrize(
    ("burst", "closed", "kind"),
    [
        (5.0, 20.0, WindowedFlow),
        (5.0, 1.9, EvenFlow),
        (30.0, 10.0, WindowedFlow),
        (30.0, 9.9, EvenFlow),
        (59.9, 30.0, WindowedFlow),
        (60.0, 30.0, EvenFlow),
        (5.0, 60.4, WindowedFlow),
        (5.0, 60.5, EvenFlow),
    ],
)
def test_a_pause_after_a_burst_shows_a_window(burst: float, closed: float, kind: type) -> None:
    """From two seconds and a third of the burst on; both together are no longer than two windows of 63 s."""
    pace = paced()
    pace.recover(burst + closed, episode(burst=burst), pause(closed), windows())
    assert type(pace.flow) is kind


def test_a_bucket_has_no_windows() -> None:
    pace = paced()
    pace.is_bucket = True
    pace.recover(25.0, episode(), pause(), windows())
    assert isinstance(pace.flow, EvenFlow)


@pytest.mark.parametrize(("span", "kind"), [(14.9, EvenFlow), (15.0, WindowedFlow)])
def test_a_hidden_window_shorter_than_a_quarter_of_a_minute_is_not_filled_in_bursts(span: float, kind: type) -> None:
    pace = paced()
    pace.recover(span, episode(burst=5.0), pause(span - 5.0), windows())
    assert type(pace.flow) is kind
    if isinstance(pace.flow, EvenFlow):
        assert pace.flow.average[0] == pytest.approx(min(0.5, 30.0 / span))


def test_a_window_holds_what_was_admitted() -> None:
    pace = paced()
    pace.recover(25.0, episode(), pause(20.0, (30.0, 300.0)), windows())
    assert isinstance(pace.flow, WindowedFlow)
    assert (pace.flow.span, pace.flow.amounts) == (25.0, [30.0, 300.0])
    of_minute = paced(minute=(200.0, 2000.0))
    of_minute.recover(25.0, episode((200.0, 2000.0)), pause(20.0, (30.0, 300.0)), windows())
    assert isinstance(of_minute.flow, WindowedFlow)
    assert (of_minute.flow.span, of_minute.flow.amounts) == (60.0, [200.0, 2000.0]), "it was partly full before"


def test_after_few_requests_only_a_second_pause_is_taken_for_a_window() -> None:
    for admitted, flows in [(5.9, [EvenFlow, WindowedFlow]), (6.0, [WindowedFlow, WindowedFlow])]:
        pace, found = Pace(), []
        for number in range(2):
            pace.flow = EvenFlow(0.0, (1.0, 10.0), HIDDEN)
            minute = (admitted, 60.0)
            pace.recover(25.0 + number, episode(minute), pause(20.0, minute), windows())
            found.append(type(pace.flow))
        assert found == flows


def test_a_window_of_known_limits_is_filled_from_four_seconds_on() -> None:
    """So many seconds' worth of two requests a second."""
    for requests, kind, span in [(7.9, EvenFlow, 0.0), (8.0, KnownWindowFlow, 5.0), (99.0, KnownWindowFlow, 49.5)]:
        pace = paced(KNOWN)
        pace.recover(25.0, episode((requests, 10.0)), pause(20.0, (requests, 10.0)), windows())
        assert type(pace.flow) is kind
        if isinstance(pace.flow, KnownWindowFlow):
            assert pace.flow.span == span
    almost_a_minute = paced(KNOWN)
    almost_a_minute.recover(25.0, episode((100.0, 10.0)), pause(20.0, (100.0, 10.0)), windows())
    assert almost_a_minute.flow is None, "the stated limits hold"


@pytest.mark.parametrize(("rejected", "kind"), [(5.0, KnownWindowFlow), (5.1, EvenFlow)])
def test_a_window_of_fewer_than_four_requests_is_not(rejected: float, kind: type) -> None:
    """Ten seconds hold twenty."""
    pace = paced(KNOWN)
    given = episode((20.0, 10.0), rejected=(rejected, 1.0))
    pace.recover(25.0, given, pause(20.0, (20.0, 10.0)), windows())
    assert type(pace.flow) is kind


def test_a_contradicted_window_is_not_tried_again_for_a_minute_and_then_four_times_as_long() -> None:
    pace, now = Pace(), 0.0
    pace.knows(KNOWN)
    for apart in (60.0, 240.0, 960.0, 3600.0, 3600.0):
        pace.use_window(now, 10.0, windows())
        assert isinstance(pace.flow, KnownWindowFlow)
        pace._contradicted(now, pace.flow)
        assert isinstance(pace.flow, EvenFlow)
        for later, kind in [(apart - 0.1, EvenFlow), (apart, KnownWindowFlow)]:
            pace.use_window(now + later, 10.0, windows())
            assert type(pace.flow) is kind
        now += apart


def test_headers_show_a_window_unless_they_show_more() -> None:
    for attribute in ("is_fixed", "is_bucket"):
        pace = Pace()
        pace.knows(KNOWN)
        setattr(pace, attribute, True)
        pace.use_window(0.0, 10.0, windows())
        assert pace.flow is None
    unknown = Pace()
    unknown.use_window(0.0, 10.0, windows())
    assert unknown.flow is None
    grows = Pace()
    grows.knows(KNOWN)
    spans = []
    for span in (10.0, 10.1, 11.0, 5.0):
        grows.use_window(0.0, span, windows())
        assert grows.flow is not None
        spans.append(grows.flow.span)
    assert spans == [10.0, 10.0, 11.0, 11.0]


def test_a_window_is_left_once_nothing_is_known_or_headers_show_more() -> None:
    for change in ("is_fixed", "is_bucket", "unknown"):
        pace = Pace()
        pace.knows(KNOWN)
        pace.use_window(0.0, 10.0, windows())
        pace.knows(KNOWN)
        assert pace.flow is not None
        if change != "unknown":
            setattr(pace, change, True)
        pace.knows(HIDDEN if change == "unknown" else KNOWN)
        assert pace.flow is None
