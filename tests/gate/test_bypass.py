"""Queries continue during a pause that concerns large documents; a 429 to one of them ends that."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import ConnectError, Limits, ProviderError, RateLimitError
from aembed._gate import Gate, PausedBeyondDeadline, Reservation
from aembed._gate.bypass import Bypass
from tests.gate.visits import REPLY, enough, enter

pytestmark = pytest.mark.virtual_time
PAUSE = RateLimitError("slow down", retry_after=30.0)


def used_up_for_today() -> RateLimitError:
    error = RateLimitError("slow down", retry_after=30.0)
    error.scope = "day"
    return error


def document() -> Reservation:
    return Reservation("document", 0, 1000.0)


def query(tokens: float = 5.0, deadline: float = float("inf")) -> Reservation:
    return Reservation("query", 0, tokens, deadline=deadline)


async def after(error: ProviderError, *, tokens: float = 1000.0) -> Gate:
    """A gate of which a document has just failed."""
    gate = enough(Gate(8, Limits()))
    reservation = Reservation("document", 0, tokens)
    await enter(gate, reservation)
    gate.leave(reservation, error=error)
    return gate


async def visit(gate: Gate, reservation: Reservation, error: ProviderError | None = None) -> float:
    """Enter, and leave at once with a reply or with ``error``: the time of admission."""
    at = await enter(gate, reservation)
    gate.leave(reservation, None if error else REPLY, error)
    return at


async def test_one_query_is_tried_and_others_follow_its_success() -> None:
    gate = await after(PAUSE)
    first = query(100.0)
    assert await enter(gate, first) == 0.0
    waiting = [asyncio.create_task(visit(gate, query())) for _ in range(2)]
    await anyio.sleep(1.0)
    assert gate.in_flight == 1
    assert gate.waiting_for() == "pause"
    gate.leave(first, REPLY)
    assert await asyncio.gather(*waiting) == [1.0, 1.0]


async def test_a_gate_is_available_while_queries_pass() -> None:
    gate = await after(PAUSE)
    assert not gate.is_available
    await visit(gate, query())
    assert gate.paused() == pytest.approx(30.0)
    assert gate.is_available


async def test_documents_wait_for_the_end_of_the_pause_all_the_same() -> None:
    gate = await after(PAUSE)
    waiting = asyncio.create_task(visit(gate, document()))
    for _ in range(3):
        assert await visit(gate, query()) == 0.0
    assert await waiting == pytest.approx(30.0)


async def test_a_429_to_a_query_closes_the_server_to_all() -> None:
    gate = await after(PAUSE)
    first = query()
    await enter(gate, first)
    waiting = asyncio.create_task(visit(gate, query()))
    await anyio.sleep(1.0)
    gate.leave(first, error=PAUSE)
    assert await waiting == pytest.approx(31.0)


async def test_a_trial_that_fails_is_not_repeated() -> None:
    gate = await after(PAUSE)
    await visit(gate, query(), error=ConnectError("reset"))
    assert await visit(gate, query()) == pytest.approx(30.0)


async def test_a_trial_that_is_cancelled_when_it_is_admitted_leaves_its_place() -> None:
    gate = await after(PAUSE)
    first = query()
    await enter(gate, first)
    second = asyncio.create_task(visit(gate, query()))
    third = asyncio.create_task(visit(gate, query()))
    await anyio.sleep(1.0)
    gate.leave(first)
    second.cancel()
    assert await third == 1.0


async def test_a_cancelled_trial_leaves_its_place_to_the_next() -> None:
    gate = await after(PAUSE)
    first = query()
    await enter(gate, first)
    waiting = asyncio.create_task(visit(gate, query()))
    await anyio.sleep(1.0)
    gate.leave(first)
    assert await waiting == 1.0


@pytest.mark.parametrize(
    ("error", "tokens"),
    [(PAUSE, 100.1), (used_up_for_today(), 5.0), (ConnectError("refused", retry_after=30.0), 5.0)],
    ids=["more than a tenth of the document", "day", "not a 429"],
)
async def test_a_pause_that_concerns_a_query_too_stops_it(error: ProviderError, tokens: float) -> None:
    gate = await after(error)
    assert await visit(gate, query(tokens)) == pytest.approx(30.0)


async def test_a_query_that_may_pass_is_not_given_up_for_its_deadline() -> None:
    gate = await after(PAUSE)
    first = query(deadline=10.0)
    await enter(gate, first)
    waiting = asyncio.create_task(visit(gate, query(deadline=10.0)))
    with pytest.raises(PausedBeyondDeadline):
        await enter(gate, query(500.0, deadline=10.0))
    gate.leave(first, REPLY)
    assert await waiting == 0.0


async def test_after_documents_succeed_the_next_pause_is_tried_anew() -> None:
    gate = await after(PAUSE)
    await visit(gate, query(), error=PAUSE)
    await visit(gate, document())
    await visit(gate, document(), error=PAUSE)
    now = asyncio.get_running_loop().time()
    assert await visit(gate, query()) == now


async def test_a_document_is_tried_as_soon_as_a_query_has_succeeded_after_an_outage() -> None:
    gate = enough(Gate(8, Limits()))
    sent = [document(), query()]
    for reservation in sent:
        await enter(gate, reservation)
    for reservation in sent:  # the query's 429 shows that the server is closed to all
        gate.leave(reservation, error=RateLimitError("slow down"))
    order: list[str] = []

    async def ask(reservation: Reservation) -> None:
        await enter(gate, reservation)
        order.append(reservation.kind)
        await anyio.sleep(0.1)
        gate.leave(reservation, REPLY)

    async with anyio.create_task_group() as tasks:
        for reservation in (query(), query(), query(), document()):
            tasks.start_soon(ask, reservation)
    assert order == ["query", "document", "query", "query"]


@pytest.mark.parametrize(("tokens", "spared"), [(0.08, True), (0.1, False)])
async def test_what_is_small_is_measured_by_the_smallest_rejected_document(tokens: float, spared: bool) -> None:
    """Even if it has less than a token."""
    bypass = Bypass()
    for rejected in (1000.0, 0.9, 5.0):
        bypass.rejected(Reservation("document", 0, rejected))
    assert bypass.spares(query(tokens)) is spared
