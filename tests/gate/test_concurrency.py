"""A server without a quota is kept busy, and few requests wait in its queue; one that fails gets fewer at once."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed._gate.concurrency import AdaptiveConcurrency
from perf.capacity import resets, worlds
from perf.capacity.simulation import Simulation, World

moments = st.floats(allow_nan=False, allow_infinity=False)
sane_moments = st.floats(0.0, 1e5)
sizes = st.integers(0, 10**6) | st.integers(-(10**400), 10**400)
events = st.tuples(moments, moments, sizes, st.none() | st.integers(-10, 10**6))
sane_events = st.tuples(sane_moments, st.floats(0.0, 100.0), st.integers(1, 10**6), st.none() | st.integers(0, 1000))


def play(control: AdaptiveConcurrency, history: list[tuple[float, float, int, int | None]]) -> None:
    """Each is an answer, or a failure with so many others in flight."""
    for now, elapsed, size, in_flight in history:
        if in_flight is None:
            control.answered(now, elapsed, size)
        else:
            control.overloaded(now, elapsed, in_flight)
        assert type(control.slots) is int
        assert 1 <= control.slots <= control.most


@given(st.integers(1, 2000), st.booleans(), st.lists(events, max_size=150) | st.lists(sane_events, max_size=150))
def test_slots_stay_in_their_bounds(
    most: int, adaptive: bool, history: list[tuple[float, float, int, int | None]]
) -> None:
    play(AdaptiveConcurrency(most, adaptive=adaptive), history)


def test_times_and_sizes_that_cannot_be_true_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    control, seen = AdaptiveConcurrency(64, adaptive=True), []
    assert control.slots == 1
    assert control._queue is not None
    monkeypatch.setattr(control._queue, "answered", lambda now, elapsed, size, slots: seen.append((elapsed, size)))
    for elapsed, size in [(-1.0, 5), (0.5, -5), (86_400.0, 10**12), (86_401.0, 10**400)]:
        control.answered(1e9, elapsed, size)
    assert seen == [(0.0, 5), (0.5, 0), (86_400.0, 1e12), (86_400.0, 1e12)]


def healthy(control: AdaptiveConcurrency, begins: float, seconds: float, *, every: float = 0.05) -> None:
    """Answers at a rate, each after 20 ms."""
    for step in range(int(seconds / every)):
        control.answered(begins + step * every, 0.02, 1000)


@given(st.integers(1, 1000), st.lists(sane_events, max_size=100))
def test_health_gives_all_slots_back(most: int, history: list[tuple[float, float, int, int | None]]) -> None:
    control = AdaptiveConcurrency(most, adaptive=False)
    play(control, sorted(history, key=lambda event: event[0]))
    healthy(control, 2e5, 30.0)
    assert control.slots == most


@given(st.lists(sane_events, max_size=50))
def test_a_clock_set_back_has_no_lasting_effect(history: list[tuple[float, float, int, int | None]]) -> None:
    slots = []
    for begins in (-1e6, 1e6):
        control = AdaptiveConcurrency(100, adaptive=False)
        play(control, history)
        healthy(control, begins, 30.0)
        assert control.slots == 100
        control.overloaded(begins + 30.0, begins + 29.9, 99)
        slots.append(control.slots)
    assert slots[0] == slots[1]


def test_a_trial_ends_although_the_clock_was_set_back() -> None:
    control = AdaptiveConcurrency(100, adaptive=False)
    for second in range(1, 5):  # four failures with answers between: a trial begins
        control.overloaded(float(second), second - 0.1, 90)
        if second < 4:
            control.answered(second + 0.5, 0.1, 1000)
    assert control.slots <= 50
    healthy(control, -1e6, 30.0)
    assert control.slots == 100


def test_silence_is_no_health() -> None:
    control = AdaptiveConcurrency(100, adaptive=False)
    control.overloaded(0.0, -0.1, 20)
    healthy(control, 0.1, 0.5)
    before = control.slots
    control.answered(3600.0, 0.02, 1000)
    assert before <= control.slots < 100


def test_a_slow_server_is_healthy_all_the_time_that_it_answers() -> None:
    control = AdaptiveConcurrency(100, adaptive=False)
    control.overloaded(0.0, -0.1, 20)
    for step in range(1, 5):
        control.answered(step * 10.0, 9.9, 1000)
    assert control.slots == 100


def test_a_round_trip_of_failures_leaves_the_requests_still_in_flight() -> None:
    control = AdaptiveConcurrency(100, adaptive=False)
    for others in range(99, 79, -1):
        control.overloaded(1.0, 0.9, others)
    assert control.slots == 80


def test_a_round_trip_of_failures_at_most_halves_the_slots() -> None:
    control = AdaptiveConcurrency(100, adaptive=False)
    for others in range(99, -1, -1):
        control.overloaded(1.0, 0.9, others)
    assert control.slots == 50
    control.overloaded(1.1, 1.05, 48)
    assert control.slots == 48
    control.overloaded(1.1, 1.05, 0)
    assert control.slots == 25


def slots_over_time(control: AdaptiveConcurrency, begins: float, seconds: float) -> list[int]:
    slots = []
    for step in range(int(seconds * 10)):
        control.answered(begins + step * 0.1, 0.02, 1000)
        slots.append(control.slots)
    return slots


def test_growth_is_fast_then_flat_where_it_failed_then_fast() -> None:
    control = AdaptiveConcurrency(1000, adaptive=False)
    control.overloaded(0.0, -0.1, 500)  # it was at 1,000
    control.answered(0.1, 0.02, 1000)
    for others in range(499, 100, -1):  # and now at 500, after an answer
        control.overloaded(1.0, 0.9, others)
    assert control.slots == 250
    slots = slots_over_time(control, 1.1, 25.0)
    back = math.cbrt(250 / 0.4)
    near = [count for second, count in enumerate(slots) if abs(second / 10 - back) < 1.5]
    assert min(near) >= 495
    assert max(near) <= 505
    assert slots == sorted(slots)
    assert slots[20] - slots[0] > 100
    assert slots[-1] == 1000


def test_an_outage_forgets_nothing() -> None:
    """Failures one after the other, without an answer between, are one reason to go back to where it was."""
    control = AdaptiveConcurrency(100, adaptive=False)
    for second in range(10):
        control.overloaded(float(second), second - 0.5, 0)
    assert control.slots == 1
    slots = slots_over_time(control, 20.0, 10.0)
    assert slots[-1] == 100


@pytest.mark.parametrize("slow_start", [True, False], ids=["slow start", "all at once"])
@pytest.mark.parametrize("seed", range(3))
def test_fault_111_a_hidden_limit_of_connections_is_found_and_kept(seed: int, slow_start: bool) -> None:
    requests = 6000
    outcome = resets.Client(resets.LIMITED, seed, requests=requests, slow_start=slow_start).run()
    assert outcome.lost == 0
    assert outcome.requests_per_success < 1.5
    assert resets.efficiency(resets.LIMITED, outcome, requests) > 0.85
    settled = [slots for at, slots in outcome.slots if at > 1.0]
    assert all(95 <= slots <= 105 for slots in settled)


@pytest.mark.parametrize("seed", range(3))
def test_fault_109_failures_that_do_not_depend_on_the_number_do_not_bring_it_down(seed: int) -> None:
    outcome = resets.Client(resets.FAILING, seed, requests=10_000).run()
    assert resets.efficiency(resets.FAILING, outcome, 10_000) > 0.6
    assert max(slots for at, slots in outcome.slots if at > outcome.seconds / 2) == 64


def test_a_restart_costs_little() -> None:
    outcome = resets.Client(resets.RESTARTED, 0, requests=10_000).run()
    assert outcome.lost == 0
    assert resets.efficiency(resets.RESTARTED, outcome, 10_000) > 0.85


def test_a_server_with_a_quota_has_all_slots_from_the_first() -> None:
    control = AdaptiveConcurrency(16, adaptive=False)
    for step in range(100):
        control.answered(float(step), step / 10, 10)
    assert control.slots == 16


def shortened(world: World, seconds: float = 30.0) -> World:
    phases = tuple((at / world.duration_s * seconds, speeds) for at, speeds in world.phases)
    return replace(world, duration_s=seconds, phases=phases) if world.duration_s > seconds else world


@pytest.mark.parametrize("world", worlds.DEMANDED, ids=lambda world: world.name)
def test_the_server_is_busy_and_queries_hardly_wait(world: World) -> None:
    world = shortened(world)
    run = Simulation(world, 1).run()
    alone = Simulation(world, 1, documents=False).run()
    assert run.efficiency >= 0.92
    assert run.p95() <= 2.5 * alone.p95()


@pytest.mark.parametrize("world", worlds.FOLLOWED, ids=lambda world: world.name)
def test_capacity_that_changes_or_is_uneven_is_used(world: World) -> None:
    assert Simulation(world, 1).run().efficiency >= 0.9


def test_the_slots_follow_the_workers() -> None:
    world = replace(worlds.FOUR_ONE_EIGHT, spread=0.3)
    slots = Simulation(world, 2).run().slots

    def usual(begins: float, ends: float) -> int:
        """The slots of most of the time between."""
        at = begins
        samples = []
        while at < ends:
            samples.append([count for when, count in slots if when <= at][-1])
            at += 0.1
        return sorted(samples)[len(samples) // 2]

    assert 5 <= usual(20, 40) <= 8
    assert 1 <= usual(60, 80) <= 3
    assert 9 <= usual(100, 120) <= 14


@pytest.mark.parametrize("seed", range(5100, 5112))
def test_random_servers_are_kept_busy(seed: int) -> None:
    world = worlds.random_world(seed)
    efficiency, _ = worlds.compared(world, seed)
    assert efficiency > 0.8


def test_unused_slots_do_not_grow() -> None:
    control = AdaptiveConcurrency(64, adaptive=True)
    random = Random(0)
    for step in range(2000):
        control.answered(float(step), 0.05 * random.uniform(0.8, 1.2), 100)
    assert control.slots <= 8


def test_an_adaptive_server_that_says_busy_gets_fewer() -> None:
    control = AdaptiveConcurrency(64, adaptive=True)
    now = 0.0
    for step in range(200):
        now = step / 64
        control.answered(now, 1.0, 100)
    before = control.slots
    for others in range(63, 0, -1):
        control.overloaded(now, now - 0.1, others)
    assert control.slots <= max(1, before // 2, 32)
