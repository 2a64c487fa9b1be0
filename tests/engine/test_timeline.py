"""The parts of a call's time: they never overlap, and add up to its duration."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._engine.timeline import BACKOFF, IDLE, SENDING, WAITING, Timeline


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A gate whose queue waits for one resource at a time."""

    def __init__(self) -> None:
        self.waited: dict[str, float] = {}

    def seconds(self) -> Mapping[str, float]:
        return self.waited


def test_one_request_after_the_other() -> None:
    clock = Clock()
    time = Timeline(clock)
    for before, after, seconds in [
        (IDLE, WAITING, 3),
        (WAITING, SENDING, 2),
        (SENDING, BACKOFF, 1),
        (BACKOFF, IDLE, 9),
    ]:
        time.move(before, after, clock.now)
        clock.now += seconds
    assert time.spent(clock.now) == (3, 2, 1)


def test_a_request_that_waits_comes_before_those_in_flight() -> None:
    clock = Clock()
    time = Timeline(clock)
    time.move(IDLE, SENDING, clock.now)
    clock.now = 1
    time.move(IDLE, WAITING, clock.now)
    clock.now = 5
    time.move(WAITING, SENDING, clock.now)
    clock.now = 7
    assert time.spent(clock.now) == (4, 3, 0)


def test_waits_are_counted_by_resource() -> None:
    clock, queue = Clock(), Queue()
    time = Timeline(clock, queue)
    queue.waited = {"slots": 10.0}  # of others, before
    time.move(IDLE, WAITING, clock.now)
    queue.waited = {"slots": 11.0, "tokens": 2.0}
    clock.now = 3
    time.move(WAITING, SENDING, clock.now)
    queue.waited = {"slots": 20.0, "tokens": 2.0}
    assert time.waits == {"slots": 1.0, "tokens": 2.0}
    time.move(SENDING, WAITING, clock.now)
    queue.waited = {"slots": 20.5, "tokens": 2.0}
    time.spent(clock.now)
    assert time.waits == {"slots": 1.5, "tokens": 2.0}


def test_a_shared_call_counts_for_those_that_follow_it_while_they_do() -> None:
    clock = Clock()
    shared, early, late = Timeline(clock), Timeline(clock), Timeline(clock)
    shared.lead(early)
    shared.move(IDLE, WAITING, clock.now)
    clock.now = 1
    shared.lead(late)
    shared.lead(late)
    shared.move(WAITING, SENDING, clock.now)
    clock.now = 3
    shared.release(late)
    clock.now = 6
    shared.move(SENDING, IDLE, clock.now)
    clock.now = 9
    assert early.spent(clock.now) == (1, 5, 0)
    assert late.spent(clock.now) == (0, 2, 0)


STATES = st.sampled_from([WAITING, SENDING, BACKOFF, IDLE])


@given(st.lists(st.tuples(st.integers(0, 4), STATES, st.integers(0, 5)), max_size=60))
def test_the_parts_add_up_for_any_requests(moves: list[tuple[int, int, int]]) -> None:
    clock = Clock()
    time, follower = Timeline(clock), Timeline(clock)
    time.lead(follower)
    states, idle = [IDLE] * 5, 0
    for request, state, seconds in moves:
        time.move(states[request], state, clock.now)
        states[request] = state
        clock.now += seconds
        idle += seconds if set(states) == {IDLE} else 0
    assert sum(time.spent(clock.now)) == pytest.approx(clock.now - idle)
    assert follower.spent(clock.now) == time.spent(clock.now)
