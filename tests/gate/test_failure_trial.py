"""A trial with half the slots: when it begins, how long it lasts, and what it excuses. All numbers by hand."""

from __future__ import annotations

import pytest

from aembed._gate.failure_trial import FailureTrial


def answers(trial: FailureTrial, count: int, now: float = 2.0, sent_at: float = 1.5) -> None:
    for _ in range(count):
        trial.answered(now, sent_at)


def failures(trial: FailureTrial, count: int, now: float = 2.0, sent_at: float = 1.5) -> list[bool]:
    """Separate failures, with no answer between: which of them are excused."""
    return [trial.excuses(now, sent_at, is_episode=True) for _ in range(count)]


def begun() -> FailureTrial:
    """A trial that began at second 2, after nothing but failures: it waits for six outcomes."""
    trial = FailureTrial()
    failures(trial, 3)
    assert trial.running
    return trial


def ended(failed: int) -> FailureTrial:
    """A trial in which so many of six requests failed."""
    trial = begun()
    failures(trial, failed, 3.0, 2.5)
    answers(trial, 6 - failed, 3.0, 2.5)
    assert not trial.running
    return trial


def test_a_failure_is_forgotten_after_some_600_answers() -> None:
    trial = FailureTrial()
    is_over = [trial.is_over]
    failures(trial, 1)
    for count in (597, 1):
        answers(trial, count)
        is_over.append(trial.is_over)
    assert is_over == [True, False, True]


def test_the_third_separate_failure_begins_a_trial() -> None:
    trial = FailureTrial()
    assert failures(trial, 3) == [False, False, True]
    assert trial.running
    assert not trial.is_over


def test_failures_lose_weight_with_every_answer_between_them() -> None:
    trial = FailureTrial()
    excused = []
    for _ in range(4):
        excused += failures(trial, 1)
        answers(trial, 1)
    assert excused == [False, False, False, True]


def test_failures_of_one_round_trip_begin_no_trial() -> None:
    trial = FailureTrial()
    assert not any(trial.excuses(2.0, 1.5, is_episode=False) for _ in range(100))


def test_a_trial_lasts_as_long_as_six_failures_would_take() -> None:
    trial = begun()
    answers(trial, 5, 3.0, 2.5)
    assert trial.running
    answers(trial, 1, 3.0, 2.5)
    assert not trial.running


def test_a_trial_of_rare_failures_lasts_150_outcomes() -> None:
    trial = FailureTrial()
    while not trial.running:  # one in forty
        answers(trial, 39)
        failures(trial, 1)
    answers(trial, 149, 3.0, 2.5)
    assert trial.running
    answers(trial, 1, 3.0, 2.5)
    assert not trial.running


def test_shares_are_those_of_the_last_two_hundred_answers() -> None:
    """53 failures beside 199 answers: 6 / 0.21 outcomes."""
    trial = FailureTrial()
    answers(trial, 1000)
    for _ in range(50):
        trial.excuses(2.0, 1.5, is_episode=False)
    failures(trial, 3)
    answers(trial, 28, 3.0, 2.5)
    assert trial.running
    answers(trial, 1, 3.0, 2.5)
    assert not trial.running


def test_failures_matter_as_long_as_a_trial_runs_or_its_result_holds() -> None:
    trial = begun()
    answers(trial, 1000, 3.0, 1.9)
    assert not trial.is_over
    trial = ended(2)
    answers(trial, 1000, 3.0, 2.5)
    assert not trial.is_over


def test_outcomes_of_requests_that_were_sent_before_do_not_count() -> None:
    trial = begun()
    answers(trial, 100, 2.0, 1.9)
    answers(trial, 100, 3.0, 1.9)
    assert trial.running
    answers(trial, 6, 3.0, 2.0)
    assert not trial.running


@pytest.mark.parametrize(("failed", "unrelated"), [(0, False), (1, False), (2, True), (6, True)])
def test_a_third_of_the_failures_with_half_the_slots_shows_that_slots_make_no_difference(
    failed: int, unrelated: bool
) -> None:
    trial = ended(failed)
    assert trial.unrelated is unrelated
    assert trial.is_over is False


def test_failures_in_a_trial_are_excused_and_the_next_after_one_that_found_a_limit_is_not() -> None:
    trial = begun()
    assert failures(trial, 1, 3.0, 2.5) == [True]
    answers(trial, 5, 3.0, 2.5)
    assert failures(trial, 1, 4.0, 3.5) == [False]


def test_ten_failures_in_a_row_are_excused_afterwards() -> None:
    assert failures(ended(2), 11, 4.0, 3.5) == [True] * 10 + [False]


def test_no_more_than_ten_are_excused_however_many_answers_come() -> None:
    trial = ended(2)
    answers(trial, 1000, 4.0, 3.5)
    assert failures(trial, 11, 4.0, 3.5) == [True] * 10 + [False]


def test_each_answer_excuses_half_as_many_again_as_failed_in_the_trial() -> None:
    trial = FailureTrial()
    answers(trial, 1000)
    failures(trial, 3)
    failures(trial, 50, 3.0, 2.5)
    answers(trial, 100, 3.0, 2.5)
    assert trial.unrelated
    failures(trial, 10, 4.0, 3.5)
    answers(trial, 4, 4.0, 3.5)  # half a failure for each answer, and half as many again
    assert failures(trial, 4, 4.0, 3.5) == [True] * 3 + [False]


def test_a_trial_that_saw_fewer_failures_than_there_were_does_not_lower_what_is_excused() -> None:
    trial = ended(2)  # of six, after three failures and no answer
    failures(trial, 10, 4.0, 3.5)
    answers(trial, 1, 4.0, 3.5)
    assert failures(trial, 2, 4.0, 3.5) == [True, False]


def test_one_answer_excuses_ten_where_nothing_but_failures_came() -> None:
    trial = ended(6)
    failures(trial, 10, 4.0, 3.5)
    answers(trial, 1, 4.0, 3.5)
    assert failures(trial, 11, 4.0, 3.5) == [True] * 10 + [False]


def test_the_next_trial_is_due_2000_answers_after_one_that_excused() -> None:
    trial = ended(2)
    answers(trial, 1999, 4.0, 3.5)
    failures(trial, 11, 4.0, 3.5)
    assert not trial.running
    answers(trial, 1, 4.0, 3.5)
    failures(trial, 2, 4.0, 3.5)
    assert trial.running, "one failure is excused for the answer, and the next begins the trial"


def test_answers_excuse_nothing_more_once_the_next_trial_is_due() -> None:
    trial = ended(2)
    answers(trial, 2000, 4.0, 3.5)
    failures(trial, 10, 4.0, 3.5)
    answers(trial, 5, 4.0, 3.5)
    assert not trial.running
    assert failures(trial, 1, 4.0, 3.5) == [True]
    assert trial.running


def test_the_next_trial_is_due_200_answers_after_one_that_found_a_limit() -> None:
    trial = ended(0)
    answers(trial, 199, 4.0, 3.5)
    failures(trial, 3, 4.0, 3.5)
    assert not trial.running
    trial = ended(0)
    answers(trial, 200, 4.0, 3.5)
    failures(trial, 3, 4.0, 3.5)
    assert trial.running


def test_each_trial_counts_anew() -> None:
    trial = ended(0)
    answers(trial, 200, 4.0, 3.5)
    failures(trial, 3, 4.0, 3.5)
    answers(trial, 6, 5.0, 4.5)
    assert trial.running, "there were answers before this one, so that it waits for more than six"
