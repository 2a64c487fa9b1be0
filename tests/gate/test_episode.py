"""The end of an episode of 429s: a success that shows that the rejected request would fit."""

from __future__ import annotations

import pytest

from aembed._gate.episode import ALL_SUSPECTS, QUIET_PERIOD_S, Episodes
from aembed._gate.reservation import Reservation


def rejected(tokens: float, at: float = 0.0) -> Episodes:
    episodes = Episodes()
    edge = Reservation("document", tokens=tokens)
    episodes.sent(at, edge)
    episodes.begin(edge, (1.0, tokens), 1.0, ALL_SUSPECTS)
    episodes.goes_on(at, edge, at)
    return episodes


def test_a_success_of_about_its_size_ends_it() -> None:
    assert rejected(400.0).ends_with(1.0, Reservation("document", tokens=400.0))


def test_small_successes_end_it_once_together_they_are_as_large() -> None:
    episodes, query = rejected(100.0), Reservation("query", tokens=9.0)
    assert [episodes.ends_with(0.5, query) for _ in range(12)] == [False] * 11 + [True]


def test_they_end_it_when_they_are_exactly_as_large() -> None:
    episodes, query = rejected(100.0), Reservation("query", tokens=5.0)
    assert [episodes.ends_with(0.5, query) for _ in range(20)] == [False] * 19 + [True]


def test_another_429_makes_small_successes_count_from_zero() -> None:
    episodes, query = rejected(20.0), Reservation("query", tokens=1.0)
    for _ in range(19):
        assert not episodes.ends_with(0.5, query)
    episodes.goes_on(1.0, Reservation("document", tokens=20.0), 1.0)
    assert not episodes.ends_with(1.5, query)


def test_any_success_ends_it_after_a_quiet_time() -> None:
    assert rejected(400.0, 5.0).ends_with(5.0 + QUIET_PERIOD_S + 0.1, Reservation("query", tokens=1.0))
    assert not rejected(400.0, 5.0).ends_with(5.0 + QUIET_PERIOD_S, Reservation("query", tokens=1.0))


def requests(episodes: Episodes, *times: float) -> list[Reservation]:
    """Of ten tokens each."""
    sent = []
    for at in times:
        reservation = Reservation("document", tokens=10.0)
        reservation.sent_at = at
        episodes.sent(at, reservation)
        sent.append(reservation)
    return sent


def test_an_episode_has_what_was_admitted_before_it_and_how_long_that_took() -> None:
    episodes = Episodes()
    *_, edge = requests(episodes, 5.0, 6.0, 7.0, 9.0)
    episode = episodes.begin(edge, (3.0, 30.0), 4.0, ALL_SUSPECTS)
    assert (episode.began_at, episode.admitted, episode.seconds) == (9.0, (3.0, 30.0), 4.0)
    assert (episode.from_full, episode.paused, episode.burst) == (False, 0.0, 4.0)
    assert (episode.minute, episode.minute_seconds, episode.rejected) == ((3.0, 30.0), 4.0, (1.0, 10.0))
    assert episodes.current is episode


def test_a_pause_has_its_length_and_what_was_admitted_since_the_opening_before() -> None:
    episodes = Episodes()
    *_, edge = requests(episodes, 5.0, 6.0, 9.0)
    begun = episodes.begin(edge, (2.0, 20.0), 4.0, ALL_SUSPECTS)
    episodes.goes_on(9.5, edge, 20.0)
    episodes.rejected(1.0, 10.0)  # the edge did not count
    (success,) = requests(episodes, 15.0)
    episode, pause = episodes.end(success)
    assert episode is begun
    assert (pause.closed, pause.seconds, pause.admitted) == (6.0, 6.0, (2.0, 20.0))
    assert episodes.current is None


def test_a_server_is_closed_until_the_last_time_it_named() -> None:
    episodes = Episodes()
    (edge,) = requests(episodes, 5.0)
    episodes.begin(edge, (0.0, 0.0), 0.0, ALL_SUSPECTS)
    episodes.goes_on(5.1, edge, 8.0)
    episodes.goes_on(5.2, edge, 7.0)
    _, pause = episodes.end(requests(episodes, 15.0)[0])
    assert (pause.closed, pause.seconds) == (3.0, 10.0)


def test_times_shorter_than_a_second_are_what_they_are() -> None:
    episodes = Episodes()
    *_, edge = requests(episodes, 5.0, 5.25)
    episode = episodes.begin(edge, (0.0, 0.0), 0.0, ALL_SUSPECTS)
    assert (episode.seconds, episode.burst) == (0.25, 0.25)
    _, pause = episodes.end(requests(episodes, 5.5)[0])
    assert pause.seconds == 0.25


def test_amounts_and_times_are_never_negative() -> None:
    """Requests that were rejected late, and a clock that was set back."""
    episodes = Episodes()
    (edge,) = requests(episodes, 5.0)
    edge.sent_at, edge.admitted = 4.0, (-1.0, -10.0)
    episode = episodes.begin(edge, (0.0, 0.0), 0.0, ALL_SUSPECTS)
    assert (episode.admitted, episode.seconds, episode.burst) == ((0.0, 0.0), 0.0, 0.0)
    success = Reservation("document", tokens=10.0)
    success.sent_at, success.admitted = 3.0, (-1.0, -10.0)
    _, pause = episodes.end(success)
    assert (pause.seconds, pause.admitted) == (0.0, (0.0, 0.0))


def test_an_episode_after_another_counts_from_the_moment_when_the_server_was_full() -> None:
    episodes = Episodes()
    (first,) = requests(episodes, 5.0)
    episodes.begin(first, (0.0, 0.0), 0.0, ALL_SUSPECTS)
    episodes.end(requests(episodes, 15.0)[0])
    episodes.corrected(3.0)
    *_, edge = requests(episodes, 16.0, 18.0)
    episode = episodes.begin(edge, (2.0, 20.0), 3.0, ALL_SUSPECTS)
    assert (episode.admitted, episode.seconds) == ((2.0, 23.0), 13.0)
    assert (episode.from_full, episode.paused, episode.burst) == (True, 10.0, 3.0)
    _, pause = episodes.end(requests(episodes, 20.0)[0])
    assert pause.admitted == (3.0, 33.0), "since the opening at second 15"


def test_a_minute_without_requests_begins_a_new_count() -> None:
    for pause, from_full in [(60.0, True), (60.1, False)]:
        episodes = Episodes()
        (first,) = requests(episodes, 5.0)
        episodes.begin(first, (0.0, 0.0), 0.0, ALL_SUSPECTS)
        episodes.end(requests(episodes, 10.0)[0])
        *_, edge = requests(episodes, 10.0 + pause, 75.0)
        episode = episodes.begin(edge, (0.0, 0.0), 0.0, ALL_SUSPECTS)
        assert episode.from_full is from_full
        assert episode.admitted == ((2.0, 20.0) if from_full else (1.0, 10.0))


def test_a_success_of_a_tenth_of_the_rejected_tokens_ends_it() -> None:
    assert rejected(400.0).ends_with(10.0, Reservation("document", tokens=40.0))
    assert not rejected(400.0).ends_with(10.0, Reservation("document", tokens=39.0))
    assert rejected(400.0).ends_with(10.1, Reservation("document", tokens=1.0)), "more than ten quiet seconds"


def test_no_success_ends_what_has_not_begun() -> None:
    episodes = Episodes()
    assert not episodes.ends_with(1.0, Reservation("document", tokens=10.0))


@pytest.mark.parametrize(("admitted", "nears"), [(0, False), (1, True)])
def test_a_server_that_admitted_nothing_is_never_nearly_full(admitted: int, nears: bool) -> None:
    episodes = Episodes()
    *_, edge = requests(episodes, *(5.0 + number for number in range(admitted + 1)))
    episodes.begin(edge, (0.0, 0.0), 0.0, (True, False))
    episodes.end(requests(episodes, 10.0)[0])
    assert episodes.nears_closure(11.0) is nears
