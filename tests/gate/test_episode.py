"""The end of an episode of 429s: a success that shows that the rejected request would fit."""

from __future__ import annotations

from aembed._gate.episode import QUIET_PERIOD_S, Episodes
from aembed._gate.reservation import Reservation


def rejected(tokens: float) -> Episodes:
    episodes = Episodes()
    edge = Reservation("document", tokens=tokens)
    episodes.sent(0.0, edge)
    episodes.begin(edge, (1.0, tokens), 1.0)
    episodes.goes_on(0.0, edge, 0.0)
    return episodes


def test_a_success_of_about_its_size_ends_it() -> None:
    assert rejected(400.0).ends_with(1.0, Reservation("document", tokens=400.0))


def test_small_successes_end_it_once_together_they_are_as_large() -> None:
    episodes, query = rejected(100.0), Reservation("query", tokens=9.0)
    assert [episodes.ends_with(0.5, query) for _ in range(12)] == [False] * 11 + [True]


def test_another_429_makes_small_successes_count_from_zero() -> None:
    episodes, query = rejected(20.0), Reservation("query", tokens=1.0)
    for _ in range(19):
        assert not episodes.ends_with(0.5, query)
    episodes.goes_on(1.0, Reservation("document", tokens=20.0), 1.0)
    assert not episodes.ends_with(1.5, query)


def test_any_success_ends_it_after_a_quiet_time() -> None:
    assert rejected(400.0).ends_with(QUIET_PERIOD_S + 0.1, Reservation("query", tokens=1.0))
