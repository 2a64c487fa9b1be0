"""A strict server whose limits are known never has to reject anything, and quotas are used up all the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits
from aembed._gate import Gate, Reservation
from aembed.testing.quotas import Algorithm, Quota, QuotaKeeper
from tests.gate.visits import REPLY, enter
from tests.loops import run

Sent = tuple[float, int, float]
"""Tokens, inputs, and after how many seconds it is cancelled."""


async def rejections(quota: Quota, limits: Limits, requests: Sequence[Sent], seed: int) -> int:
    """Send requests that take up to three seconds and are counted somewhere in them."""
    gate = Gate(8, limits)
    keeper = QuotaKeeper(quota)
    random = Random(seed)
    rejected = 0

    async def one(tokens: float, inputs: int, patience: float) -> None:
        nonlocal rejected
        reservation = Reservation("query" if random.random() < 0.1 else "document", 0, tokens, inputs)
        with anyio.move_on_after(patience):
            await enter(gate, reservation)
            reply = None
            try:
                await anyio.sleep(random.random() * 1.5)
                rejected += keeper.take(asyncio.get_running_loop().time(), 1, tokens, inputs) > 0
                await anyio.sleep(random.random() * 1.5)
                reply = REPLY
            finally:
                gate.leave(reservation, reply)

    async with anyio.create_task_group() as tasks:
        for request in requests:
            tasks.start_soon(one, *request)
            await anyio.sleep(random.choice([0.0, 0.0, 0.1, 40.0]))
    assert (gate.in_flight, gate.waiting) == (0, 0)
    return rejected


@given(
    st.sampled_from(["bucket", "sliding", "fixed"]),
    st.lists(
        st.tuples(
            st.sampled_from([1.0, 20.0, 300.0]),
            st.integers(1, 10),
            st.sampled_from([math.inf, math.inf, 0.5, 2.0, 50.0]),
        ),
        max_size=60,
    ),
    st.integers(0, 99),
)
def test_fault_81_a_strict_server_rejects_nothing(algorithm: Algorithm, requests: list[Sent], seed: int) -> None:
    quota = Quota.per_minute(requests=30, tokens=1000, inputs=60, algorithm=algorithm)
    limits = Limits(requests_per_minute=30, tokens_per_minute=1000, inputs_per_minute=60)
    assert run(rejections(quota, limits, requests, seed)) == 0


@pytest.mark.virtual_time
async def test_and_they_are_used_up() -> None:
    gate = Gate(8, Limits(requests_per_minute=30))
    for _ in range(91):
        reservation = Reservation("document")
        await enter(gate, reservation)
        gate.leave(reservation, REPLY)
    assert asyncio.get_running_loop().time() == pytest.approx(180.0, abs=0.2)
