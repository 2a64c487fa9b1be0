"""Queries overtake documents, documents keep a share by amount, and embedders share by amount."""

from __future__ import annotations

import asyncio
from collections import Counter

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Kind
from aembed._gate import Gate, Reservation
from tests.gate.visits import REPLY, enough, limited
from tests.loops import run

Caller = tuple[Kind, float, object]
"""Its kind, its tokens, its owner."""
TOKENS = 6000.0
"""A minute."""


async def admitted(seconds: float, callers: list[Caller], tokens: float = TOKENS) -> Counter[int]:
    """Tokens that each caller was given."""
    gate = enough(Gate(64, limited(tokens=tokens)))
    first = Reservation("query", 0, tokens)
    assert gate.try_enter(first)  # everybody is in the queue before the quota is shared
    gate.leave(first, REPLY)
    given_to: Counter[int] = Counter()

    async def call(number: int, kind: Kind, size: float, owner: object) -> None:
        reservation = Reservation(kind, 0, size, owner=owner)
        await gate.wait(reservation)
        given_to[number] += int(size)
        gate.leave(reservation, REPLY)

    async with anyio.create_task_group() as tasks:
        for number, caller in enumerate(callers):
            tasks.start_soon(call, number, *caller)
        await anyio.sleep(seconds)
        tasks.cancel_scope.cancel()
    return given_to


@pytest.mark.parametrize("size", [20.0, 100.0, 375.0])
def test_documents_get_an_eighth_of_the_amount_of_saturating_queries(size: float) -> None:
    documents_and_queries: list[Caller] = [("document", size, None), ("query", 50.0, None)]
    callers = [caller for caller in documents_and_queries for _ in range(1000)]
    counts = run(admitted(240.0, callers))
    documents, queries = sum(counts[n] for n in range(1000)), sum(counts[n] for n in range(1000, 2000))
    assert documents + queries >= 0.9 * TOKENS * 3
    assert documents == pytest.approx(queries / 8, rel=0.25, abs=2 * size)


def test_embedders_with_batches_of_four_and_of_64_texts_share_by_tokens() -> None:
    few_texts: Caller = ("document", 20.0, "a")
    many_texts: Caller = ("document", 320.0, "b")
    callers = [few_texts] * 2000 + [many_texts] * 200
    counts = run(admitted(240.0, callers))
    few, many = sum(counts[n] for n in range(2000)), sum(counts[n] for n in range(2000, 2200))
    assert few == pytest.approx(many, rel=0.1)


def test_embedders_share_by_tokens_although_all_their_replies_come_at_the_same_moment() -> None:
    async def main() -> Counter[str]:
        gate = enough(Gate(32, limited(tokens=160_000.0)))
        given_to: Counter[str] = Counter()

        async def documents(owner: str, size: float) -> None:
            while True:
                reservation = Reservation("document", 0, size, owner=owner)
                if not gate.try_enter(reservation):
                    await gate.wait(reservation)
                given_to[owner] += int(size)
                await anyio.sleep(0.2)
                gate.leave(reservation, REPLY)
                for _ in range(3):
                    await anyio.lowlevel.checkpoint()  # as a call that starts its next batch

        async with anyio.create_task_group() as tasks:
            for owner, size in (("few texts", 160.0), ("many texts", 2560.0)):
                for _ in range(32):
                    tasks.start_soon(documents, owner, size)
            await anyio.sleep(50.0)
            given_to.clear()  # of the first minute, in which neither owner was known
            await anyio.sleep(50.0)
            tasks.cancel_scope.cancel()
        return given_to

    counts = run(main())
    assert counts["few texts"] == pytest.approx(counts["many texts"], rel=0.1)


@given(st.lists(st.sampled_from([10.0, 100.0, 375.0, 3000.0]), min_size=1, max_size=10), st.floats(0.0, 150.0))
def test_fault_101_a_query_that_fits_is_admitted_within_two_minutes_before_any_documents(
    sizes: list[float], comes: float
) -> None:
    async def main() -> float:
        gate = enough(Gate(64, limited(tokens=TOKENS)))

        async def documents(size: float) -> None:
            while True:
                reservation = Reservation("document", 0, size)
                await gate.wait(reservation)
                gate.leave(reservation, REPLY)

        loop = asyncio.get_running_loop()
        async with anyio.create_task_group() as tasks:
            for size in sizes:
                tasks.start_soon(documents, size)
            await anyio.sleep(comes)
            query = Reservation("query", 0, 10.0)
            with anyio.move_on_after(600.0):
                await gate.wait(query)
                gate.leave(query, REPLY)
            tasks.cancel_scope.cancel()
        return loop.time() - comes

    assert run(main()) <= 61.0


@pytest.mark.virtual_time
async def test_fault_101_a_document_that_does_not_fit_blocks_no_query_that_does() -> None:
    gate = enough(Gate(64, limited(tokens=TOKENS)))
    used = Reservation("document", 0, 3000.0)
    assert gate.try_enter(used)
    gate.leave(used, REPLY)
    large = asyncio.create_task(gate.wait(waits := Reservation("document", 0, 5000.0)))
    await anyio.lowlevel.checkpoint()
    for _ in range(50):
        query = Reservation("query", 0, 10.0)
        if not gate.try_enter(query):
            await gate.wait(query)
        assert query.sent_at <= 0.001
        gate.leave(query, REPLY)
    await large
    assert waits.sent_at <= 121.0
    gate.leave(waits, REPLY)
