"""A gate with a few requests: who enters when, and what the others wait for. Numbers by hand."""

from __future__ import annotations

import anyio
import pytest

from aembed import Kind, Limits
from aembed._gate import Gate, PausedBeyondDeadline, Reservation
from aembed._gate.even_flow import EvenFlow
from tests.gate.visits import REPLY, enough, enter, limited

pytestmark = pytest.mark.virtual_time


def document(tokens: float = 1.0, owner: object = None) -> Reservation:
    return Reservation("document", 0, tokens, owner=owner)


async def entered(gate: Gate, kind: Kind = "document", tokens: float = 1.0) -> Reservation:
    reservation = Reservation(kind, 0, tokens)
    await enter(gate, reservation)
    return reservation


async def test_a_higher_limit_admits_sooner_who_waited_for_the_lower_one() -> None:
    gate = enough(Gate(8, limited(1.0)))
    gate.leave(await entered(gate), REPLY)
    query = Reservation("query")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter, gate, query)
        await anyio.sleep(6.0)
        assert gate.waiting_for() == "requests"
        gate.set_limits(limited(60.0))
    assert query.sent_at == pytest.approx(6.9), "a tenth of one had come in six seconds"
    gate.leave(query, REPLY)


async def test_a_document_that_waits_for_what_is_left_to_queries_waits_for_that_quota() -> None:
    gate = enough(Gate(8, Limits(tokens_per_minute=100, query_share=0.5)))
    inside, query = await entered(gate, tokens=40.0), Reservation("query", 0, 20.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter, gate, document(20.0))
        await anyio.sleep(0.01)
        assert gate.waiting_for() == "tokens"
        assert gate.try_enter(query), "it is left to queries"
        tasks.cancel_scope.cancel()
    for reservation in (inside, query):
        gate.leave(reservation, REPLY)


async def test_who_waits_for_the_pace_waits_for_requests() -> None:
    gate, waiting = enough(Gate(8, Limits())), document()
    gate.account.quotas.pace.flow = EvenFlow(0.0, (0.1, 1e6), (0.1, 1e6))
    gate.leave(await entered(gate), REPLY)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter, gate, waiting)
        await anyio.sleep(1.0)
        assert gate.waiting_for() == "requests"
    assert waiting.sent_at == pytest.approx(20.0)
    gate.leave(waiting, REPLY)


async def test_a_snapshot_has_the_limits_that_are_known_and_what_is_left_of_them() -> None:
    gate = enough(Gate(8, limited(60.0, inputs=30.0)))
    inside = await entered(gate)
    seen = gate.snapshot()
    assert (seen.limits, seen.remaining) == ({"requests": 60.0, "inputs": 30.0}, {"requests": 59.0, "inputs": 29.0})
    assert (seen.in_flight, seen.waiting, seen.waiting_for) == (1, 0, "")
    gate.leave(inside, REPLY)


async def test_where_owners_share_tokens_a_free_slot_waits_a_millisecond_for_the_one_whose_turn_it_is() -> None:
    gate = enough(Gate(1, limited(tokens=1000.0)))
    inside = await entered(gate)
    waiting = [document(10.0, "a"), document(10.0, "b")]
    async with anyio.create_task_group() as tasks:
        for reservation in waiting:
            tasks.start_soon(enter, gate, reservation)
        for leaves_at, reservation in [(1.0, inside), (1.5, waiting[0]), (2.0, waiting[1])]:
            await anyio.sleep_until(leaves_at)
            gate.leave(reservation, REPLY)
    assert [each.sent_at for each in waiting] == pytest.approx([1.001, 1.501])
    await anyio.sleep_until(2.5)
    alone = await entered(gate)
    assert alone.sent_at == pytest.approx(2.501), "both may come back for a second"
    query = await entered(gate, "query")
    assert query.sent_at == alone.sent_at
    for reservation in (alone, query):
        gate.leave(reservation, REPLY)


async def test_queries_share_the_slots_that_are_free_and_one_has_another() -> None:
    for kind, fit in [("query", 3), ("document", 2)]:
        gate, inside = enough(Gate(2, Limits())), []
        while gate.try_enter(reservation := Reservation(kind)):  # type: ignore[arg-type]
            inside.append(reservation)
        assert len(inside) == fit
        for reservation in inside:
            gate.leave(reservation, REPLY)


async def test_the_time_of_a_query_counts_unless_a_document_is_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, alone = enough(Gate(8, Limits())), list[bool]()
    monkeypatch.setattr(gate.account, "succeeded", lambda *_, **named: alone.append(named["alone"]))
    first, second, third, document = [await entered(gate, kind) for kind in ("query", "query", "query", "document")]
    for reservation in (first, document, second, third):
        gate.leave(reservation, REPLY)
    assert alone == [False, True, True, True]


def test_a_request_of_which_nothing_is_known_is_one_text() -> None:
    new = Reservation("query")
    assert (new.characters, new.requests, new.tokens, new.inputs) == (0, 1.0, 0.0, 1)
    assert (new.sent_at, new.sent_before, new.admitted) == (0.0, (0.0, 0.0, 0.0), (0.0, 0.0))
    assert PausedBeyondDeadline(5.0).args == (5.0,)
