"""Admission: never too many, never too fast, and in order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import InputError, Kind, Limits
from aembed._gate import Gate, Reservation
from tests.gate.visits import (
    EXACT,
    Log,
    Visit,
    amounts,
    enough,
    enter,
    histories,
    limited,
    limits_,
    play,
    slots_,
    succeed,
    within_every_bucket,
)
from tests.loops import run


@given(histories(), slots_, limits_)
def test_there_are_never_more_inside_than_slots_and_one_query(visits: list[Visit], slots: int, limits: Limits) -> None:
    for stay in run(play(Gate(slots, limits), visits)).stays:
        own_slot = stay.kind == "query" or stay.queries > 0
        assert stay.others < slots + own_slot


@given(histories(), slots_, limits_)
def test_fault_81_no_interval_sees_more_than_the_bucket_holds_and_gains(
    visits: list[Visit], slots: int, limits: Limits
) -> None:
    log = run(play(enough(Gate(slots, limits)), visits))
    assert within_every_bucket(log, visits, limits)


@given(histories(), slots_, limits_)
def test_no_minute_sees_more_than_the_quota(visits: list[Visit], slots: int, limits: Limits) -> None:
    """Wherever between its start and its end the server counts each request."""
    log = run(play(enough(Gate(slots, limits)), visits))
    starts = log.starts()
    for number, start in starts.items():
        recent = [n for n, s in starts.items() if s <= start < log.ends[n] + 60 - EXACT]
        for which in range(3):
            used = sum(amounts(visits[n], limits)[which][0] for n in recent if starts[n] < start or n == number)
            assert used <= amounts(visits[0], limits)[which][1] + EXACT


@given(histories(), slots_, limits_)
def test_a_lane_is_first_come_first_served(visits: list[Visit], slots: int, limits: Limits) -> None:
    """All need the same: a smaller document may use what one before it leaves unused."""
    visits = [replace(visit, tokens=5.0, inputs=2) for visit in visits]
    log = run(play(Gate(slots, limits), visits))
    turn = {number: place for place, number in enumerate(log.queue)}
    for kind in ("query", "document"):
        turns = sorted((turn[stay.visit], stay.start) for stay in log.stays if stay.kind == kind)
        assert all(before <= after for (_, before), (_, after) in pairwise(turns))


@given(histories(), slots_, limits_)
def test_everyone_with_patience_gets_in(visits: list[Visit], slots: int, limits: Limits) -> None:
    inside = run(play(Gate(slots, limits), visits)).starts().keys()
    assert {number for number, visit in enumerate(visits) if visit.patience is None} <= inside


@given(st.lists(st.sampled_from(["query", "document"]), min_size=1, max_size=12), st.floats(0.1, 2.0))
def test_slots_alone_keep_no_call_waiting_for_time(kinds: list[Kind], stay: float) -> None:
    """While any request waits, no slot is empty: the next one enters in the moment that one leaves."""
    log = run(play(Gate(1, Limits()), [Visit(0.0, kind, stay) for kind in kinds]))
    ends = {0.0} | {start + stay for start in log.starts().values()}
    assert all(any(abs(stay.start - end) < EXACT for end in ends) for stay in log.stays)


@given(st.integers(2, 40), st.integers(0, 40))
def test_fault_77_a_large_request_is_served_in_its_turn(before: int, after: int) -> None:
    """Small ones that come later could go at once, and do not."""
    small = [Visit(0.0, tokens=10.0)] * before
    visits = [*small, Visit(1.0, tokens=100.0), *[Visit(2.0, tokens=1.0)] * after]
    starts = run(play(enough(Gate(100, limited(tokens=100.0))), visits)).starts()
    assert all(starts[before] <= starts[before + 1 + later] for later in range(after))


@pytest.mark.virtual_time
@pytest.mark.parametrize(("size", "is_first"), [(9.0, True), (10.0, True), (11.0, False), (20.0, False)])
async def test_a_smaller_document_goes_first_only_if_that_delays_none(size: float, is_first: bool) -> None:
    """80 of 100 tokens a minute are used. As soon as the 50 expire, 70 are free, and the larger one needs 60."""
    visits = [Visit(0.0, tokens=50.0), Visit(1.0, tokens=30.0), Visit(2.0, tokens=60.0), Visit(3.0, tokens=size)]
    starts = (await play(enough(Gate(100, limited(tokens=100.0))), visits)).starts()
    assert starts[2] == pytest.approx(60.0, abs=0.01)
    assert (starts[3] < 60.0) is is_first


@pytest.mark.virtual_time
async def test_a_smaller_document_leaves_the_larger_one_its_part_of_the_day() -> None:
    """80 of 145 tokens a day are used, and the larger one needs 60."""
    limits = Limits(tokens_per_minute=100, tokens_per_day=145)
    visits = [Visit(0.0, tokens=50.0), Visit(1.0, tokens=30.0), Visit(2.0, tokens=60.0), Visit(3.0, tokens=9.0)]
    starts = (await play(enough(Gate(100, limits)), visits)).starts()
    assert starts[2] == pytest.approx(60.0, abs=0.01)
    assert starts[3] > 60.0


def busy(queries_a_second: float, requests: float) -> Log:
    queries = [Visit(n / queries_a_second, "query") for n in range(int(300 * queries_a_second))]
    return run(play(enough(Gate(8, limited(requests))), [Visit(0.0)] * 100 + queries))


@pytest.mark.parametrize("times_the_rate", [0.9, 1.0, 1.1, 2.0])
def test_fault_78_bulk_gets_its_share_under_saturating_queries(times_the_rate: float) -> None:
    log = busy(times_the_rate, 60.0)
    order = [stay.kind for stay in sorted(log.stays, key=lambda stay: stay.start)]
    last = max(place for place, kind in enumerate(order) if kind == "document")
    gaps = [len(list(run)) for run in "".join(kind[0] for kind in order[:last]).split("d")]
    assert max(gaps[1:]) <= 8


def test_queries_hardly_wait_during_a_bulk_job_that_uses_the_whole_quota() -> None:
    """A twentieth of the quota is queries, and bulk would take all of it."""
    visits = [Visit(0.0, stays=0.2)] * 3000 + [Visit(20 * n + 0.5, "query", stays=0.2) for n in range(50)]
    log = run(play(enough(Gate(16, limited(60.0))), visits[:1500] + visits[3000:]))
    waits = [stay.start - (20 * (stay.visit - 1500) + 0.5) for stay in log.stays if stay.kind == "query"]
    assert sorted(waits)[45] <= 1.0


@pytest.mark.virtual_time
async def test_queries_overtake_documents_that_wait() -> None:
    visits = [Visit(0.0, stays=10.0), Visit(1.0, stays=1.0), Visit(2.0, "query", stays=1.0)]
    assert (await play(Gate(1, Limits()), visits)).starts() == pytest.approx({0: 0.0, 1: 10.0, 2: 2.0})


@pytest.mark.virtual_time
async def test_the_slot_comes_before_the_rate() -> None:
    """Three a minute, one slot: nothing was paid while waiting for it. The first may have been counted at its end."""
    visits = [Visit(0.0, stays=200.0), *[Visit(1.0)] * 3]
    starts = (await play(Gate(1, limited(3.0)), visits)).starts()
    assert [starts[n] for n in (1, 2, 3)] == pytest.approx([200.0, 200.0, 260.0])


@pytest.mark.parametrize(
    ("reservation", "said"),
    [
        (Reservation("document", 0, 101.0), "101 tokens is more than the 100 tokens"),
        (Reservation("query", 0, 1.0, 11), "11 inputs is more than the 10 inputs"),
    ],
)
async def test_fault_76_more_than_a_minutes_quota_is_rejected_at_once(reservation: Reservation, said: str) -> None:
    gate = Gate(4, limited(5.0, 100.0, 10.0))
    with pytest.raises(InputError, match=said):
        gate.try_enter(reservation)
    with pytest.raises(InputError, match=said):
        await gate.wait(reservation)
    assert (gate.in_flight, gate.waiting) == (0, 0)


@pytest.mark.virtual_time
async def test_half_a_request_a_minute_is_one_in_two_minutes() -> None:
    gate = Gate(1, limited(0.5))
    assert [await succeed(gate) for _ in range(3)] == pytest.approx([0.0, 120.0, 240.0])


async def test_a_provider_that_counts_texts_as_requests() -> None:
    gate = enough(Gate(4, limited(100.0), per_input=True))
    inside = gate.reservation("document", ["x"] * 90)
    assert gate.try_enter(inside)
    assert not gate.try_enter(gate.reservation("document", ["x"] * 20))
    with pytest.raises(InputError, match="101 requests"):
        gate.try_enter(gate.reservation("document", ["x"] * 101))
    gate.leave(inside)


@pytest.mark.virtual_time
async def test_there_is_one_timer_at_most_and_none_without_a_queue() -> None:
    gate = enough(Gate(4, limited(1.0)))
    await succeed(gate)
    waiting = [asyncio.create_task(enter(gate, Reservation("document"))) for _ in range(50)]
    await anyio.lowlevel.checkpoint()
    loop = asyncio.get_running_loop()
    timers = [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
    assert len(timers) == 1
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert gate._timer is None
    assert [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()] == []


@pytest.mark.virtual_time
async def test_the_first_requests_go_two_at_a_time_and_two_answers_allow_one_more() -> None:
    log = await play(Gate(16, limited(6000.0, 1e6)), [Visit(0.0, stays=1.0)] * 14)
    starts = sorted(log.starts().values())
    assert [starts.count(moment) for moment in sorted(set(starts))] == [2, 3, 4, 5]


@pytest.mark.virtual_time
async def test_while_a_limit_may_be_hidden_four_answers_allow_one_more() -> None:
    for limits in (Limits(), limited(6000.0), limited(tokens=1e6)):
        log = await play(Gate(16, limits), [Visit(0.0, stays=1.0)] * 13)
        starts = sorted(log.starts().values())
        assert [starts.count(moment) for moment in sorted(set(starts))] == [2, 2, 3, 3, 3]


@pytest.mark.virtual_time
async def test_it_names_the_resource_it_waits_for() -> None:
    gate = enough(Gate(2, limited(60.0, 100.0, 10.0)))
    assert gate.waiting_for() == ""
    inside = [Reservation("document", 0, 80.0), Reservation("document", 0, 1.0, 8)]
    for reservation in inside:
        assert gate.try_enter(reservation)
    seen = []
    for needed in (Reservation("document"), Reservation("document", 0, 50.0), Reservation("document", 0, 1.0, 5)):
        task = asyncio.create_task(gate.wait(needed))
        await anyio.lowlevel.checkpoint()
        seen.append(gate.waiting_for())
        task.cancel()
        await asyncio.wait([task])
        if seen == ["slots"]:
            gate.leave(inside[0])
    assert seen == ["slots", "tokens", "inputs"]
    assert repr(gate).startswith("<Gate in_flight=1/2 waiting=0 requests=<ResourceQuota unknown limit=60/min")
    gate.leave(inside[1])
