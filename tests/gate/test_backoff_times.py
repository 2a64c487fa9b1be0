"""Pauses to the second: probes, their pace, and the time at which waiting calls are given up. Numbers by hand."""

from __future__ import annotations

import math

import pytest

from aembed._gate.backoff import Backoff


def failing() -> Backoff:
    """A success at second 1, and a 429 without Retry-After at second 2."""
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.unannounced(2.0, 1.5, is_probe=False)
    return backoff


def test_a_healthy_server_is_neither_silent_nor_given_up() -> None:
    backoff = Backoff()
    assert (backoff.silent(5.0), backoff.gives_up_at(), backoff.probing) == (0.0, math.inf, False)
    assert backoff.until == -math.inf
    assert backoff.began_before(-1e9)
    assert not backoff.is_answered


def test_probes_follow_after_half_a_second_and_twice_as_long_each_up_to_five() -> None:
    backoff, now, waits = Backoff(), 10.0, []
    for number in range(6):
        backoff.unannounced(now, now - 0.1, is_probe=number > 0)
        waits.append(backoff.until - now)
        now = backoff.until
    assert waits == pytest.approx([0.5, 1.0, 2.0, 4.0, 5.0, 5.0])


def test_ten_failures_in_a_row_are_an_outage_and_an_answer_begins_the_row_again() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.failed(2.0, 1.5, is_probe=False)
    assert not backoff.probing
    backoff.answered(3.0, 2.5)
    for _ in range(9):
        backoff.failed(4.0, 3.5, is_probe=False)
    assert not backoff.probing
    backoff.failed(4.0, 3.5, is_probe=False)
    assert backoff.probing


@pytest.mark.parametrize(("failures", "seconds", "is_outage"), [(3, 9.0, False), (4, 1.9, False), (4, 2.0, True)])
def test_where_requests_are_few_four_failures_are_an_outage(failures: int, seconds: float, is_outage: bool) -> None:
    """A batch that has five attempts would be lost before the tenth."""
    backoff = Backoff()
    backoff.answered(10.0, 9.5)
    for number in range(failures):
        failed_at = 10.0 + seconds * (number + 1) / failures
        backoff.failed(failed_at, failed_at - 0.1, is_probe=False)
    assert backoff.probing == is_outage


def test_a_failed_probe_is_enough() -> None:
    backoff = Backoff()
    backoff.failed(2.0, 1.5, is_probe=True)
    assert backoff.until == 2.5


def test_a_server_is_silent_since_its_last_success() -> None:
    backoff = failing()
    assert backoff.silent(5.0) == 4.0
    assert backoff.gives_up_at() == 91.0
    assert backoff.silent(0.0) == 0.0


@pytest.mark.parametrize(("sent_at", "since"), [(6.0, 1.0), (6.1, 6.1), (200.0, 200.0)])
def test_after_a_rest_silence_counts_from_the_first_request(sent_at: float, since: float) -> None:
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.failed(sent_at + 0.1, sent_at, is_probe=False)
    assert backoff.gives_up_at() == since + 90.0


@pytest.mark.parametrize(("sent_at", "gives_up_at"), [(92.5, 91.0), (92.6, 182.6)])
def test_silence_counts_anew_if_nobody_asked_for_90_seconds(sent_at: float, gives_up_at: float) -> None:
    """The pause ended at 2.5."""
    backoff = failing()
    backoff.failed(sent_at + 0.5, sent_at, is_probe=True)
    assert backoff.gives_up_at() == pytest.approx(gives_up_at)


def test_each_failure_of_a_row_is_part_of_one_silence() -> None:
    """Before the tenth, too: there is no pause yet."""
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    for number in range(10):
        backoff.failed(5.0 + 4 * number, 4.0 + 4 * number, is_probe=False)
    assert backoff.gives_up_at() == 91.0


def test_a_server_that_names_times_has_a_quarter_of_an_hour_or_until_its_first_time_ends() -> None:
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.announced(2.0, 10.0, 1.5, probe=True)
    assert backoff.gives_up_at() == 901.0
    backoff.announced(13.0, 5000.0, 12.5, probe=True)
    assert backoff.gives_up_at() == 901.0, "a second time that it names gives it no more"
    patient = Backoff()
    patient.announced(2.0, 5000.0, 1.5, probe=True)
    assert patient.gives_up_at() == 5002.0


def test_a_server_that_has_never_answered_has_90_seconds() -> None:
    backoff = Backoff()
    backoff.failed(2.0, 1.5, is_probe=False)
    assert backoff.gives_up_at() == 1.5 + 90.0


def test_only_a_request_sent_after_a_backoff_began_shows_something_new() -> None:
    assert [failing().began_before(sent_at) for sent_at in (1.9, 2.0, 2.1)] == [False, False, True]


def test_without_a_further_time_it_has_90_seconds_from_the_end_of_the_first() -> None:
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.announced(2.0, 10.0, 1.5, probe=True)
    backoff.unannounced(12.5, 12.0, is_probe=True)
    assert backoff.gives_up_at() == 12.0 + 90.0


def test_a_server_that_breaks_its_word_is_asked_ever_more_seldom() -> None:
    backoff, now, waits = Backoff(), 2.0, []
    for _ in range(6):
        backoff.announced(now, 0.2, now - 0.1, probe=True)
        waits.append(backoff.until - now)
        now = backoff.until + 0.2
    assert waits == pytest.approx([0.2, 1.0, 2.0, 4.0, 5.0, 5.0])


def test_a_longer_time_that_it_names_is_kept_all_the_same() -> None:
    backoff = failing()
    backoff.announced(3.0, 30.0, 2.6, probe=True)
    assert backoff.until == 33.0


def test_a_time_named_to_an_earlier_request_may_only_make_the_pause_longer() -> None:
    backoff = Backoff()
    backoff.announced(2.0, 10.0, 1.5, probe=True)
    for sent_at in (1.9, 2.0):
        backoff.announced(3.0, 4.0, sent_at, probe=True)
        assert (backoff.until, backoff.wait) == (12.0, 0.5)
    backoff.announced(3.0, 20.0, 1.9, probe=True)
    assert (backoff.until, backoff.wait) == (23.0, 0.5)


def test_a_time_may_end_without_a_probe() -> None:
    backoff = Backoff()
    backoff.announced(2.0, 10.0, 1.5, probe=False)
    assert (backoff.until, backoff.probing) == (12.0, False)


@pytest.mark.parametrize(("sent_at", "probing"), [(1.9, False), (2.0, False), (2.1, True)])
def test_a_429_begins_a_backoff_only_if_its_request_was_sent_after_the_last_began(
    sent_at: float, probing: bool
) -> None:
    backoff = Backoff()
    backoff.announced(2.0, 0.5, 1.5, probe=False)
    backoff.unannounced(3.0, sent_at, is_probe=False)
    assert backoff.probing is probing


@pytest.mark.parametrize(("sent_at", "probing"), [(1.9, True), (2.0, True), (2.1, False)])
def test_a_success_ends_a_backoff_only_if_it_was_sent_after_that_began(sent_at: float, probing: bool) -> None:
    backoff = failing()
    backoff.answered(3.0, sent_at)
    assert backoff.probing is probing
    assert backoff.is_answered is not probing
    assert (backoff.gives_up_at() == math.inf) is not probing


def test_after_a_success_the_server_has_its_time_again() -> None:
    """Neither the Retry-After nor the silence of the last backoff counts in the next."""
    backoff = Backoff()
    backoff.announced(2.0, 500.0, 1.5, probe=True)
    backoff.answered(503.0, 502.5)
    backoff.failed(504.0, 503.5, is_probe=False)
    assert backoff.gives_up_at() == 503.0 + 90.0


def test_the_first_probe_waits_until_a_success_is_likely_and_no_longer_than_calls_do() -> None:
    for wait, until in [(0.2, 2.5), (20.0, 22.0), (500.0, 91.0)]:
        backoff = Backoff()
        backoff.answered(1.0, 0.5)
        backoff.unannounced(2.0, 1.5, is_probe=False, wait=wait)
        assert backoff.until == until


def test_a_server_that_was_given_up_is_still_probed() -> None:
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.unannounced(2.0, 1.5, is_probe=False, wait=500.0)
    backoff.unannounced(95.0, 94.5, is_probe=True, wait=500.0)
    assert backoff.until == 96.0
    backoff.unannounced(97.0, 96.5, is_probe=True, wait=500.0)
    assert backoff.until == 99.0
