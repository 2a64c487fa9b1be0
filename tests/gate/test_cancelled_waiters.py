"""A call that stops waiting at the gate, at any moment, costs the others nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Kind, Limits
from aembed._gate import Gate, Reservation
from tests.gate.visits import (
    EXACT,
    Visit,
    apart,
    enough,
    enter,
    histories,
    limited,
    limits_,
    play,
    slots_,
    succeed,
)
from tests.loops import run


@given(histories().map(apart), st.sampled_from(["query", "document"]), slots_, limits_)
def test_a_call_that_gives_up_waiting_changes_nothing_for_the_others(
    visits: list[Visit], kind: Kind, slots: int, limits: Limits
) -> None:
    """In a lane where all need the same: a larger one keeps smaller ones waiting while it is before them."""
    visits = [replace(visit, kind=kind, tokens=5.0, inputs=2) for visit in visits]
    starts = run(play(enough(Gate(slots, limits)), visits)).starts()
    stayed = [replace(visit, arrives=1e7) if n not in starts else visit for n, visit in enumerate(visits)]
    without = run(play(enough(Gate(slots, limits)), stayed)).starts()
    assert {n: without[n] for n in starts} == pytest.approx(starts, abs=EXACT)


async def two_waiting() -> tuple[Gate, Reservation, list[Reservation], list[asyncio.Task[None]]]:
    """A gate with its one slot taken, and two documents that wait for it."""
    gate = Gate(1, Limits())
    inside = Reservation("document")
    assert gate.try_enter(inside)
    reservations = [Reservation("document"), Reservation("document")]
    waiting = [asyncio.create_task(gate.wait(reservation)) for reservation in reservations]
    await anyio.wait_all_tasks_blocked()
    return gate, inside, reservations, waiting


async def test_admission_in_the_moment_of_cancellation_passes_the_place_on() -> None:
    gate, inside, reservations, (first, second) = await two_waiting()
    gate.leave(inside)  # first is admitted ...
    first.cancel()  # ... and cancelled before it could run
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (gate.in_flight, gate.waiting) == (1, 0)
    gate.leave(reservations[1])


async def test_a_waiter_cancelled_before_its_turn_is_passed_over() -> None:
    gate, inside, reservations, (first, second) = await two_waiting()
    first.cancel()
    gate.leave(inside)  # first is still in the queue
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (gate.in_flight, gate.waiting) == (1, 0)
    gate.leave(reservations[1])


@pytest.mark.virtual_time
async def test_a_place_handed_back_is_not_paid_for() -> None:
    gate = Gate(1, limited(2.0))
    inside = Reservation("document")
    gate.try_enter(inside)
    await anyio.sleep(10)
    reservations = [Reservation("document"), Reservation("document")]
    first, second = (asyncio.create_task(gate.wait(reservation)) for reservation in reservations)
    await anyio.lowlevel.checkpoint()
    gate.leave(inside)
    first.cancel()
    await second
    assert reservations[1].sent_at == pytest.approx(10.0)
    gate.leave(reservations[1])


@pytest.mark.virtual_time
async def test_a_query_cancelled_in_that_moment_leaves_the_order_of_lanes_as_it_was() -> None:
    gate = enough(Gate(1, limited(1.0)))
    await succeed(gate)
    document = asyncio.create_task(enter(gate, waiting := Reservation("document")))
    for _ in range(20):
        query = asyncio.create_task(enter(gate, Reservation("query")))
        await anyio.lowlevel.checkpoint()
        query.cancel()
        await asyncio.wait([query])
    assert await document == pytest.approx(60.0)
    gate.leave(waiting)
