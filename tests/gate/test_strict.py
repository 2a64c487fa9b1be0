"""A strict server whose limits are known never has to refuse anything, and quotas are used up all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import Limits
from aembed._gate import Gate, Permit
from aembed.testing.quotas import Algorithm, Quota, QuotaKeeper
from tests.gate.visits import REPLY, enter
from tests.loops import run


async def refusals(quota: Quota, limits: Limits, amounts: Sequence[tuple[float, int]], seed: int) -> int:
    """Send requests of so many tokens and inputs, that take up to three seconds and are counted somewhere in them."""
    gate = Gate(8, limits)
    keeper = QuotaKeeper(quota)
    random = Random(seed)
    refused = 0

    async def one(tokens: float, inputs: int) -> None:
        nonlocal refused
        permit = Permit("query" if random.random() < 0.1 else "document", 0, tokens, inputs)
        await enter(gate, permit)
        await anyio.sleep(random.random() * 1.5)
        refused += keeper.take(asyncio.get_running_loop().time(), 1, tokens, inputs) > 0
        await anyio.sleep(random.random() * 1.5)
        gate.leave(permit, REPLY)

    async with anyio.create_task_group() as tasks:
        for tokens, inputs in amounts:
            tasks.start_soon(one, tokens, inputs)
            await anyio.sleep(random.choice([0.0, 0.0, 0.1, 40.0]))
    return refused


@given(
    st.sampled_from(["bucket", "sliding", "fixed"]),
    st.lists(st.tuples(st.sampled_from([1.0, 20.0, 300.0]), st.integers(1, 10)), max_size=60),
    st.integers(0, 99),
)
def test_known_limits_are_never_exceeded(algorithm: Algorithm, amounts: list[tuple[float, int]], seed: int) -> None:
    quota = Quota.per_minute(requests=30, tokens=1000, inputs=60, algorithm=algorithm)
    limits = Limits(requests_per_minute=30, tokens_per_minute=1000, inputs_per_minute=60)
    assert run(refusals(quota, limits, amounts, seed)) == 0


@pytest.mark.virtual_time
async def test_and_they_are_used_up() -> None:
    gate = Gate(8, Limits(requests_per_minute=30))
    for _ in range(91):
        permit = Permit("document")
        await enter(gate, permit)
        gate.leave(permit, REPLY)
    assert asyncio.get_running_loop().time() == pytest.approx(180.0, abs=0.2)
