"""Limits of requests that replies report, and of tokens that nobody reports."""

from __future__ import annotations

import math

import pytest

from aembed._gate.episode import Episode, Pause
from aembed._gate.even_flow import EvenFlow
from aembed._gate.known_window_flow import KnownWindowFlow
from aembed._gate.pace import Pace
from aembed._gate.window import Window
from aembed._gate.windowed_flow import WindowedFlow

REQUESTS_ALONE = (10.0, math.inf)
MINUTE = (100.0, 10_000.0)


def windows() -> tuple[Window, Window]:
    return Window(), Window()


def paced(suspects: tuple[bool, bool]) -> Pace:
    pace = Pace()
    pace.knows(REQUESTS_ALONE)
    pace.slow_down(10.0, Episode(10.0, MINUTE, 10.0, False, 0.0, MINUTE, 10.0, 10.0, (1.0, 100.0)), suspects)
    assert isinstance(pace.flow, EvenFlow)
    return pace


@pytest.mark.parametrize(("suspects", "kind"), [((False, True), EvenFlow), ((True, True), KnownWindowFlow)])
def test_a_window_of_requests_is_not_filled_where_only_tokens_can_be_short(
    suspects: tuple[bool, bool], kind: type
) -> None:
    pace = paced(suspects)
    pace.use_window(12.0, 10.0, windows())
    assert type(pace.flow) is kind


@pytest.mark.parametrize(("closed", "kind"), [(20.0, EvenFlow), (20.1, WindowedFlow), (50.0, WindowedFlow)])
def test_a_pause_longer_than_the_known_limit_explains_shows_a_window_of_the_hidden_one(
    closed: float, kind: type
) -> None:
    """Ten seconds' worth of requests."""
    pace = paced((True, True))
    pace.recover(
        10.0 + closed,
        Episode(10.0, MINUTE, 10.0, False, 0.0, MINUTE, 60.0, 10.0, (1.0, 100.0)),
        Pause(closed, closed, MINUTE),
        windows(),
    )
    assert type(pace.flow) is kind


@pytest.mark.parametrize(("suspects", "kind"), [((False, True), EvenFlow), ((True, False), KnownWindowFlow)])
def test_the_last_429_says_which_limit_is_short_a_stray_one_too(suspects: tuple[bool, bool], kind: type) -> None:
    pace = paced((suspects[1], suspects[0]))
    pace.rejected(11.0, 10.9, (1.0, 100.0), suspects, None)
    pace.use_window(12.0, 10.0, windows())
    assert type(pace.flow) is kind


def test_it_shows_one_too_once_the_flow_was_closed_before() -> None:
    """Then the flow was even, and would have filled a short window of the known limit."""
    pace = paced((True, True))
    minute = Episode(10.0, MINUTE, 10.0, False, 0.0, MINUTE, 60.0, 10.0, (1.0, 100.0))
    pace.slow_down(10.0, minute, (True, True))
    pace.recover(30.0, minute, Pause(20.0, 20.0, MINUTE), windows())
    assert isinstance(pace.flow, WindowedFlow)


@pytest.mark.parametrize(("closed", "kind"), [(2.0, KnownWindowFlow), (1.9, EvenFlow)])
def test_a_pause_of_two_seconds_shows_a_window(closed: float, kind: type) -> None:
    pace = Pace()
    pace.knows((10.0, 1000.0))
    burst = Episode(5.0, MINUTE, 5.0, False, 0.0, MINUTE, 60.0, 5.0, (1.0, 100.0))
    pace.slow_down(5.0, burst, (True, True))
    assert pace._least(1000.0) == (0.0, 0.0), "no known rate is in force while the server is closed"
    pace.recover(5.0 + closed, burst, Pause(closed, closed, MINUTE), windows())
    assert type(pace.flow) is kind
