"""Bucket or window: how far ``remaining`` must move, and how equal the fill times must be. Numbers by hand."""

from __future__ import annotations

import pytest

from aembed._gate.refill_detector import RefillDetector

A_MINUTE = 600.0
RATE = A_MINUTE / 60


def verdict(first: tuple[float, float], second: tuple[float, float], rate: float = RATE) -> str:
    """After two replies with ``remaining`` and ``reset``."""
    detector = RefillDetector()
    assert detector.saw(0.0, *first, rate) == "unknown"
    return detector.saw(1.0, *second, rate)


def test_remaining_must_have_moved_by_two_units_and_a_fifth_of_a_second() -> None:
    assert verdict((100.0, 50.0), (98.1, 50.19)) == "unknown"
    assert verdict((100.0, 50.0), (98.0, 50.2)) == "bucket"
    assert verdict((1000.0, 50.0), (980.1, 50.199), rate=100.0) == "unknown"
    assert verdict((1000.0, 50.0), (980.0, 50.2), rate=100.0) == "bucket"


@pytest.mark.parametrize(("moved", "differ", "rule"), [(8.0, 0.29, "bucket"), (8.0, 0.31, "unknown")])
def test_fill_times_are_equal_within_a_quarter_of_what_moved_and_one_unit(
    moved: float, differ: float, rule: str
) -> None:
    """(0.25 * 8 + 1) / 10 a second = 0.3 s."""
    assert verdict((100.0, 20.0), (100.0 - moved, 20.0 + moved / RATE + differ)) == rule
    assert verdict((100.0, 20.0), (92.0, 21.375), rate=8.0) == "bucket", "exactly 3 / 8 s"


@pytest.mark.parametrize(("moved", "rule"), [(59.0, "unknown"), (60.0, "window")])
def test_fill_times_differ_once_a_tenth_of_the_quota_has_moved(moved: float, rule: str) -> None:
    assert verdict((550.0, 20.0), (550.0 - moved, 20.0)) == rule


@pytest.mark.parametrize(("moved", "rule"), [(19.0, "unknown"), (20.0, "window")])
def test_or_half_of_the_largest_amount_that_remained(moved: float, rule: str) -> None:
    assert verdict((40.0, 20.0), (40.0 - moved, 20.0)) == rule


def test_a_bucket_takes_its_longest_fill_time_to_fill() -> None:
    detector = RefillDetector()
    detector.saw(0.0, 100.0, 20.0, RATE)
    assert detector.saw(1.0, 90.0, 21.1, RATE) == "bucket"
    assert detector.seconds == pytest.approx(30.1)


def test_after_a_verdict_it_compares_anew() -> None:
    detector = RefillDetector()
    detector.saw(0.0, 100.0, 20.0, RATE)
    assert detector.saw(1.0, 90.0, 21.0, RATE) == "bucket"
    assert detector.saw(2.0, 80.0, 22.0, RATE) == "unknown"
    assert detector.saw(3.0, 70.0, 23.0, RATE) == "bucket"


def halves(*replies: tuple[float, float, float]) -> list[str]:
    """Verdicts on replies so long after the first, with ``remaining`` and ``reset`` in seconds of the quota."""
    detector = RefillDetector()
    return [detector.saw(100.0 + now, 2 * remaining, reset, 2.0) for now, remaining, reset in replies]


def test_three_replies_over_ten_seconds_that_always_take_a_minute_to_fill_are_a_bucket() -> None:
    unknown = ["unknown", "unknown"]
    assert halves((0.0, 30.0, 30.0), (5.0, 30.0, 30.0), (10.0, 30.0, 30.0)) == [*unknown, "bucket"]
    assert halves((0.0, 30.0, 30.0), (5.0, 30.0, 30.0), (9.9, 30.0, 30.0)) == [*unknown, "unknown"]
    assert halves((0.0, 30.0, 30.0), (10.0, 30.0, 30.0)) == unknown


def test_after_that_it_counts_three_replies_again() -> None:
    times = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
    assert halves(*((now, 30.0, 30.0) for now in times)) == ["unknown", "unknown", "bucket"] * 2


def test_a_minute_to_fill_is_one_within_a_fiftieth() -> None:
    assert halves((0.0, 30.0, 31.1), (5.0, 30.0, 28.9), (10.0, 30.0, 30.0))[-1] == "bucket"
    assert halves((0.0, 30.0, 31.3), (5.0, 30.0, 31.3), (10.0, 30.0, 31.3))[-1] == "unknown"


@pytest.mark.parametrize(
    ("remaining", "rule"), [(6.0, "unknown"), (7.0, "bucket"), (53.0, "bucket"), (54.0, "unknown")]
)
def test_nothing_is_shown_while_almost_nothing_or_almost_all_remains(remaining: float, rule: str) -> None:
    times = (0.0, 5.0, 10.0)
    assert halves(*((now, remaining, 60.0 - remaining) for now in times))[-1] == rule


def test_one_reply_that_fills_sooner_begins_the_row_again() -> None:
    replies = [(0.0, 30.0, 30.0), (5.0, 30.0, 30.0), (6.0, 29.0, 20.0), (10.0, 30.0, 30.0), (12.0, 30.0, 30.0)]
    assert "bucket" not in halves(*replies)
