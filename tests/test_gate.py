"""Admission: never too many, never too fast, in order, and nobody pays for another's cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Kind
from aembed._gate import CATCH_UP, Gate
from tests.loops import run


@dataclass(frozen=True)
class Visit:
    """Someone who comes to the gate, and goes away if the wait is longer than their patience."""

    arrives: float
    kind: Kind = "document"
    stays: float = 0.0
    patience: float | None = None


@dataclass(frozen=True)
class Stay:
    visit: int
    kind: Kind
    start: float
    others: int
    """How many were inside already."""


@dataclass
class Log:
    queue: list[int]
    """Visits in the order they came."""
    stays: list[Stay]

    def starts(self) -> dict[int, float]:
        return {stay.visit: stay.start for stay in self.stays}


async def play(gate: Gate, visits: Sequence[Visit]) -> Log:
    loop = asyncio.get_running_loop()
    log = Log([], [])

    async def come(number: int, visit: Visit) -> None:
        log.queue.append(number)
        if not gate.try_enter(visit.kind):
            await gate.wait(visit.kind)
        log.stays.append(Stay(number, visit.kind, loop.time(), gate.in_flight - 1))
        try:
            await anyio.sleep(visit.stays)
        finally:
            gate.leave()

    tasks = []
    for number, visit in sorted(enumerate(visits), key=lambda numbered: numbered[1].arrives):
        await anyio.sleep_until(visit.arrives)
        tasks.append(asyncio.create_task(come(number, visit)))
        if visit.patience is not None:
            loop.call_at(visit.arrives + visit.patience, tasks[-1].cancel)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (gate.in_flight, gate.waiting, gate._timer) == (0, 0, None)
    return log


# Times on a coarse grid, so that arrivals, ends, admissions and cancellations often fall into the same moment.
moments = st.integers(0, 12).map(lambda tick: tick * 0.25)
visits_ = st.lists(
    st.builds(
        Visit,
        arrives=moments,
        kind=st.sampled_from(["document", "document", "query"]),
        stays=moments,
        patience=st.none() | moments,
    ),
    max_size=20,
)


def apart(visits: list[Visit]) -> list[Visit]:
    """The same, with no two things in one moment, so that there is one right answer."""
    return [replace(visit, arrives=visit.arrives + number / 997) for number, visit in enumerate(visits)]


slots_ = st.integers(1, 4)
rates = st.none() | st.sampled_from([60.0, 120.0, 240.0, 1000.0])


@given(visits_, slots_, rates)
def test_there_are_never_more_inside_than_slots_and_one_query(
    visits: list[Visit], slots: int, rate: float | None
) -> None:
    for stay in run(play(Gate(slots, rate), visits)).stays:
        assert stay.others < slots + (stay.kind == "query")


@given(visits_, slots_, rates.filter(bool))
def test_no_interval_sees_more_starts_than_the_rate_allows(visits: list[Visit], slots: int, rate: float) -> None:
    starts = sorted(run(play(Gate(slots, rate), visits)).starts().values())
    for (i, first), (j, last) in combinations(enumerate(starts), 2):
        assert j - i <= (last - first + CATCH_UP) * rate / 60 + 1e-6


@given(visits_, slots_, rates)
def test_a_lane_is_first_come_first_served(visits: list[Visit], slots: int, rate: float | None) -> None:
    log = run(play(Gate(slots, rate), visits))
    turn = {number: place for place, number in enumerate(log.queue)}
    for kind in ("query", "document"):
        turns = sorted((turn[stay.visit], stay.start) for stay in log.stays if stay.kind == kind)
        assert all(before <= after for (_, before), (_, after) in pairwise(turns))


@given(visits_, slots_, rates)
def test_everyone_with_patience_gets_in(visits: list[Visit], slots: int, rate: float | None) -> None:
    inside = {stay.visit for stay in run(play(Gate(slots, rate), visits)).stays}
    assert {number for number, visit in enumerate(visits) if visit.patience is None} <= inside


@given(visits_.map(apart), slots_, rates)
def test_who_gives_up_waiting_changes_nothing_for_the_others(
    visits: list[Visit], slots: int, rate: float | None
) -> None:
    starts = run(play(Gate(slots, rate), visits)).starts()
    gave_up = [replace(visit, arrives=1e6) if n not in starts else visit for n, visit in enumerate(visits)]
    without = run(play(Gate(slots, rate), gave_up)).starts()
    assert {n: without[n] for n in starts} == pytest.approx(starts, abs=1e-6)


@given(st.lists(st.sampled_from(["query", "document"]), min_size=1, max_size=12), st.floats(0.1, 2.0))
def test_slots_alone_keep_nobody_waiting_for_time(kinds: list[Kind], stay: float) -> None:
    """As long as someone waits, no slot is empty: whoever leaves is followed in the same moment."""
    log = run(play(Gate(1), [Visit(0.0, kind, stay) for kind in kinds]))
    ends = {0.0} | {start + stay for start in log.starts().values()}
    assert all(any(abs(stay.start - end) < 1e-6 for end in ends) for stay in log.stays)


@pytest.mark.virtual_time
async def test_starts_are_paced_evenly() -> None:
    log = await play(Gate(10, 60.0), [Visit(100.0)] * 5)
    starts = sorted(log.starts().values())
    assert starts == pytest.approx([100.0, 101.0 - CATCH_UP, 102.0 - CATCH_UP, 103.0 - CATCH_UP, 104.0 - CATCH_UP])


@pytest.mark.virtual_time
async def test_an_idle_gate_saves_up_no_burst() -> None:
    log = await play(Gate(10, 60.0), [Visit(0.0), *[Visit(3600.0)] * 3])
    assert all(b - a >= 1.0 - CATCH_UP - 1e-6 for a, b in pairwise(sorted(log.starts().values())))


@pytest.mark.virtual_time
async def test_the_slot_comes_before_the_rate() -> None:
    """Two slots, taken for 10 s each: the third starts when the first leaves, and had not paid before."""
    log = await play(Gate(2, 60.0), [Visit(0.0, stays=10.0)] * 4)
    assert sorted(log.starts().values()) == pytest.approx([0.0, 1.0, 10.0, 11.0], abs=0.11)


@pytest.mark.virtual_time
async def test_queries_overtake_documents_that_wait() -> None:
    log = await play(Gate(1), [Visit(0.0, stays=10.0), Visit(1.0, stays=1.0), Visit(2.0, "query", stays=1.0)])
    assert log.starts() == pytest.approx({0: 0.0, 1: 10.0, 2: 2.0})


@pytest.mark.virtual_time
async def test_a_document_that_comes_does_not_overtake_a_query_that_waits_for_the_rate() -> None:
    gate = Gate(10, 60.0)
    assert gate.try_enter("query")
    query = asyncio.create_task(gate.wait("query"))
    await anyio.lowlevel.checkpoint()
    gate._next_start = 0.0  # due, but the timer has not run yet
    assert not gate.try_enter("document")
    await query
    gate.leave()
    gate.leave()


async def test_admission_in_the_moment_of_cancellation_passes_the_place_on() -> None:
    gate = Gate(1)
    assert gate.try_enter("document")
    first, second = (asyncio.create_task(gate.wait("document")) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    gate.leave()  # first is admitted ...
    first.cancel()  # ... and cancelled before it could run
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (gate.in_flight, gate.waiting) == (1, 0)
    gate.leave()


async def test_a_waiter_cancelled_before_its_turn_is_passed_over() -> None:
    gate = Gate(1)
    assert gate.try_enter("document")
    first, second = (asyncio.create_task(gate.wait("document")) for _ in range(2))
    await anyio.wait_all_tasks_blocked()
    first.cancel()
    gate.leave()  # first still stands in the queue
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (gate.in_flight, gate.waiting) == (1, 0)
    gate.leave()


@pytest.mark.virtual_time
async def test_a_place_handed_back_is_not_paid_for() -> None:
    gate = Gate(1, 60.0)
    loop = asyncio.get_running_loop()
    await anyio.sleep(100)
    gate.try_enter("document")
    await anyio.sleep(50)
    first, second = (asyncio.create_task(gate.wait("document")) for _ in range(2))
    await anyio.lowlevel.checkpoint()
    gate.leave()
    first.cancel()
    await second
    assert loop.time() == pytest.approx(150.0)
    gate.leave()


@pytest.mark.virtual_time
async def test_no_timer_outlives_the_last_who_waits_for_the_rate() -> None:
    gate = Gate(10, 1.0)
    assert gate.try_enter("document")
    gate.leave()
    waiters = [asyncio.create_task(gate.wait("document")) for _ in range(2)]
    await anyio.lowlevel.checkpoint()
    for waiter in waiters:
        waiter.cancel()
    await asyncio.wait(waiters)
    assert (gate.waiting, gate._timer) == (0, None)


async def test_repr_shows_the_state() -> None:
    gate = Gate(2)
    gate.try_enter("document")
    assert repr(gate) == "<Gate in_flight=1/2 waiting=0>"
    gate.leave()
