"""A fixed window is known by resets that point at one moment; buckets and sliding windows never look like one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.window_end import WindowEnd

steps = st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.02, 0.6)), min_size=5, max_size=40)
"""Seconds between requests, and the time each takes; the server counts half-way."""


@given(steps, st.floats(30.0, 60.0))
def test_a_fixed_window_is_found_and_its_end_is_not_too_early(history: list[tuple[float, float]], end: float) -> None:
    window, now, left = WindowEnd(), 0.0, 1000.0
    for pause, takes in history:
        now += pause
        left -= 40
        if now + takes >= min(end, end - 15):
            break
        if window.saw(now, now + takes, left, end - now - takes / 2, 1.0):
            assert end <= window.latest <= end + 0.7


def test_three_replies_one_after_the_other_are_enough() -> None:
    window, verdicts = WindowEnd(), []
    for n in range(5):
        at = n * 0.5
        verdicts.append(window.saw(at, at + 0.1, 900.0 - 50 * n, 40.0 - at - 0.05, 15.0))
    assert verdicts == [False, False, False, True, True]


@given(steps, st.sampled_from([60.0, 30.0]), st.booleans())
def test_a_sliding_window_is_never_taken_for_one(history: list[tuple[float, float]], span: float, whole: bool) -> None:
    window, now, left = WindowEnd(), 0.0, 1000.0
    for pause, takes in history:
        now += pause
        left -= 40
        reset = span if whole else span - 1e-3  # the last request is the last to expire
        assert not window.saw(now, now + takes, left, reset, 1.0)


@given(steps, st.floats(1.0, 50.0))
def test_a_bucket_is_never_taken_for_one(history: list[tuple[float, float]], rate: float) -> None:
    window, now, at = WindowEnd(), 0.0, 0.0
    size = 60 * rate
    level = size
    for pause, takes in history:
        now += pause
        counted = now + takes / 2
        if counted < at:
            continue
        level = min(size, level + (counted - at) * rate) - rate * 3
        at = counted
        if level < 0:
            break
        assert not window.saw(now, now + takes, level, (size - level) / rate, rate)


def test_one_that_was_rejected_is_never_shown_again() -> None:
    window = WindowEnd()
    window.reject()
    assert not any(window.saw(n, n + 0.1, 900.0 - 50 * n, 40.0 - n - 0.05, 15.0) for n in range(20))
