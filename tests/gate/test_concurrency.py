"""A server without a quota gets as many requests at once as it digests."""

from __future__ import annotations

from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits, Reply
from aembed._gate import Gate, Permit
from aembed._gate.concurrency import Concurrency
from tests.gate.visits import REPLY, enter

answers = st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**9), st.booleans()), max_size=200)


@given(st.integers(1, 64), answers)
def test_slots_stay_in_their_bounds(most: int, answers: list[tuple[float, int, bool]]) -> None:
    concurrency = Concurrency(most, adaptive=True)
    for now, (elapsed, size, busy) in enumerate(answers):
        concurrency.answered(elapsed, size)
        if busy:
            concurrency.overloaded(now, now)
        assert 1 <= concurrency.slots <= most


def test_a_server_with_a_quota_keeps_its_slots() -> None:
    concurrency = Concurrency(16, adaptive=False)
    for _ in range(100):
        concurrency.answered(10.0, 10)
        concurrency.overloaded(0.0, 0.0)
    assert concurrency.slots == 16


def test_many_that_were_under_way_together_are_one_refusal() -> None:
    concurrency = Concurrency(64, adaptive=True)
    concurrency.slots = 40
    for _ in range(30):
        concurrency.overloaded(10.0, 9.0)
    assert concurrency.slots == 28
    concurrency.overloaded(12.0, 11.0)
    assert concurrency.slots < 28


async def slots_for(workers: int, sizes: list[int]) -> float:
    """How many slots it comes to use, on average, for a server with so many workers."""
    gate = Gate(64, Limits(), adaptive=True)
    server = anyio.Semaphore(workers)
    random = Random(0)
    seen: list[int] = []

    async def one() -> None:
        size = random.choice(sizes)
        permit = Permit("document", size, 0.0, 1)
        await enter(gate, permit)
        async with server:
            await anyio.sleep(0.01 + size * 0.0001)
        seen.append(gate.account.concurrency.slots)
        gate.leave(permit, REPLY)

    async with anyio.create_task_group() as tasks:
        for _ in range(4000):
            tasks.start_soon(one)
    return sum(seen[2000:]) / 2000


@pytest.mark.virtual_time
@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("sizes", [[640], [10, 200, 3000]], ids=["alike", "mixed"])
async def test_it_finds_what_the_server_digests(workers: int, sizes: list[int]) -> None:
    slots = await slots_for(workers, sizes)
    assert workers <= slots <= workers + 6


async def test_queries_alone_find_the_slots_they_need() -> None:
    gate = Gate(8, Limits(), adaptive=True)
    for _ in range(50):
        permit = gate.permit("query", ["short"])
        await enter(gate, permit)
        gate.leave(permit, Reply(REPLY.vectors))
    assert gate.account.concurrency.slots == 8
