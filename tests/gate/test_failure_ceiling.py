"""The ceiling of requests at once: what a failure takes, and what time with answers gives back. Numbers by hand."""

from __future__ import annotations

import pytest

from aembed._gate.failure_ceiling import FailureCeiling


def lowered(in_flight: int = 20) -> FailureCeiling:
    """Of 100 slots, after a failure at second 0: half at least are left, and back at 100 after five healthy seconds."""
    ceiling = FailureCeiling(100)
    ceiling.failed(0.0, -0.1, in_flight)
    return ceiling


def in_trial(most: int = 100) -> FailureCeiling:
    """Four failures with answers between have begun a trial at second 4."""
    ceiling = FailureCeiling(most)
    for second in range(1, 5):
        ceiling.failed(float(second), second - 0.1, 1000)
        if second < 4:
            ceiling.answered(second + 0.5, 0.1)
    return ceiling


def test_a_healthy_server_has_all_slots() -> None:
    ceiling = FailureCeiling(100)
    assert (ceiling.slots, ceiling.is_open) == (100, True)


def test_a_failure_alone_takes_one_slot() -> None:
    ceiling = lowered(1000)
    assert (ceiling.slots, ceiling.is_open) == (99, False)


def test_a_failure_of_the_same_round_trip_takes_none() -> None:
    ceiling = lowered(1000)
    ceiling.failed(0.0, 0.0, 1000)
    assert ceiling.slots == 99


def test_a_failure_after_the_clock_was_set_back_takes_one_too() -> None:
    ceiling = lowered(1000)
    ceiling.failed(-1000.0, -1000.1, 1000)
    assert ceiling.slots == 98


@pytest.mark.parametrize(("apart", "slots"), [(1.0, 74), (0.5, 63), (30.0, 74)])
def test_at_most_a_second_between_two_answers_counts_as_health(apart: float, slots: int) -> None:
    """100 - 0.4 * (5 - 1)**3 = 74.4."""
    ceiling = lowered()
    ceiling.answered(1.0, 0.02)
    assert ceiling.slots == 50
    ceiling.answered(1.0 + apart, 0.02)
    assert ceiling.slots == slots


def test_answers_after_the_clock_was_set_back_are_health() -> None:
    ceiling = lowered()
    for now in (-100.0, -99.0):
        ceiling.answered(now, 0.02)
    assert ceiling.slots == 74


def test_a_slow_answer_counts_for_the_time_it_took() -> None:
    ceiling = lowered()
    ceiling.answered(4.0, 3.0)
    ceiling.answered(8.0, 3.0)
    assert ceiling.slots == 96, "100 - 0.4 * (5 - 3)**3 = 96.8"


def test_answers_to_requests_of_before_the_failure_are_no_health() -> None:
    ceiling = lowered()
    for second in range(10):
        ceiling.answered(float(second), second + 0.1)
    assert ceiling.slots == 50
    ceiling.answered(10.0, 10.0)
    assert ceiling.slots == 50
    ceiling.answered(11.0, 1.0)
    assert ceiling.slots == 74


def test_another_failure_begins_the_curve_again() -> None:
    ceiling = lowered()
    for second in range(1, 4):
        ceiling.answered(float(second), 0.02)
    assert ceiling.slots == 89, "100 - 0.4 * (5 - 2)**3"
    ceiling.failed(3.5, 3.1, 60)
    assert ceiling.slots == 60
    ceiling.answered(4.0, 0.02)
    assert ceiling.slots == 60


def test_failures_one_after_the_other_without_an_answer_lead_back_to_where_it_was() -> None:
    ceiling = lowered()
    for second, left in [(1.0, 25), (2.0, 12), (3.0, 6), (4.0, 3), (5.0, 1)]:
        ceiling.failed(second, second - 0.5, 0)
        assert ceiling.slots == left
    for step in range(14):
        ceiling.answered(6.0 + step / 2, 0.02)
    assert ceiling.slots >= 99, "the curve is flat at 100, not at 50"


def test_it_limits_nothing_once_all_slots_are_back_and_the_failure_is_forgotten() -> None:
    ceiling = lowered()
    assert not ceiling.is_open
    for step in range(597):
        ceiling.answered(1.0 + step, 0.02)
    assert ceiling.slots == 100
    assert not ceiling.is_open
    ceiling.answered(600.0, 0.02)
    assert ceiling.is_open


def test_a_trial_halves_the_slots_and_leaves_one_at_least() -> None:
    assert in_trial().slots == 97 // 2
    assert in_trial(2).slots == 1


def test_an_answer_to_a_request_of_before_the_trial_says_nothing_about_it() -> None:
    ceiling = in_trial()
    for _ in range(100):
        ceiling.answered(4.5, 0.6)
    assert ceiling.slots == 97 // 2


def test_a_trial_that_shows_that_slots_make_no_difference_gives_all_back_at_once() -> None:
    ceiling = in_trial()
    for _ in range(20):
        ceiling.failed(5.0, 4.5, 50)
    assert ceiling.slots == 100
    ceiling = in_trial()
    for number in range(20):
        if number < 5:
            ceiling.failed(5.0, 4.5, 50)
        else:
            ceiling.answered(5.0, 0.5)  # the trial ends with one of these
    assert ceiling.slots == 100


def test_a_trial_that_finds_a_limit_keeps_it() -> None:
    ceiling = in_trial()
    for _ in range(20):
        ceiling.answered(5.0, 0.5)
    assert ceiling.slots == 97, "three failures took one each, and the fourth began the trial"
