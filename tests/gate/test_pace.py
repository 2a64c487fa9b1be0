"""After any history of 429s the pace is back at the stated limit within a minute of health; estimates have bounds."""

from __future__ import annotations

import asyncio
import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aembed import Kind, Limits, RateLimitError
from aembed._gate import Gate, Reservation
from aembed._gate.even_flow import EvenFlow
from aembed._gate.pace import RECOVERY_S
from tests.gate.visits import REPLY, enough, enter, limited, succeed
from tests.loops import run

A_MINUTE = 600.0
histories = st.lists(
    st.tuples(st.floats(0.0, 30.0), st.none() | st.sampled_from([0.0, 0.01, 0.5, 2.0, 30.0]), st.integers(0, 20)),
    min_size=1,
    max_size=5,
)
"""Pauses before a 429, its Retry-After, and how many successes follow."""


async def suffer(gate: Gate, history: list[tuple[float, float | None, int]]) -> None:
    for pause, retry_after, successes in history:
        await anyio.sleep(pause)
        reservation = Reservation("document", 0, 10.0)
        await enter(gate, reservation)
        gate.leave(reservation, error=RateLimitError("too fast", retry_after=retry_after))
        for _ in range(successes):
            await succeed(gate, reservation=Reservation("document", 0, 10.0))


async def in_the_next_minute(gate: Gate) -> int:
    end = asyncio.get_running_loop().time() + 60.0
    count = 0
    while await succeed(gate, reservation=Reservation("document", 0, 10.0)) < end:
        count += 1
    return count


BY_EPISODES = [[(0.0, 30.0, 0)], [(1.0, 2.0, 5)] * 3]


@pytest.mark.virtual_time
@pytest.mark.parametrize("history", BY_EPISODES)
@pytest.mark.parametrize("tokens", [60_000.0, None])
async def test_fault_102_after_a_minute_of_health_the_stated_limit_is_used_again(
    history: list[tuple[float, float | None, int]], tokens: float | None
) -> None:
    gate = enough(Gate(64, limited(A_MINUTE, tokens)))
    await suffer(gate, history)
    began = await succeed(gate, reservation=Reservation("document", 0, 10.0))
    while asyncio.get_running_loop().time() < began + RECOVERY_S:
        await succeed(gate, reservation=Reservation("document", 0, 10.0))
    assert await in_the_next_minute(gate) >= 0.95 * A_MINUTE


@settings(max_examples=20)
@given(histories)
def test_an_estimate_has_a_floor_and_a_ceiling(history: list[tuple[float, float | None, int]]) -> None:
    async def main() -> None:
        gate = enough(Gate(64, Limits()))
        await suffer(gate, history)
        pace = gate.account.quotas.pace
        now = asyncio.get_running_loop().time()
        for at in (now, now + 1, now + 1e3, now + 1e9, -1e9):
            when = pace.earliest(at, Reservation("document", 0, 10.0), (0.0, 0.0))
            assert at <= when <= max(at, now) + 60.0
        if isinstance(pace.flow, EvenFlow):
            assert all(0.0 < rate < math.inf for rate in pace.flow.average)

    run(main())


@pytest.mark.virtual_time
async def test_fault_100_ten_thousand_successes_after_the_last_429_raise_nothing() -> None:
    gate = enough(Gate(64, Limits()))
    await suffer(gate, [(1.0, 0.5, 20)] * 5)
    for _ in range(10_000):
        await succeed(gate, reservation=Reservation("document", 0, 10.0))
    flow = gate.account.quotas.pace.flow
    assert flow is None or (isinstance(flow, EvenFlow) and flow.average[0] > 1.0)


@pytest.mark.virtual_time
async def test_fault_99_queries_that_stop_during_documents_leave_no_rounding_that_raises() -> None:
    gate = enough(Gate(64, limited(tokens=1000.0)))
    for n in range(300):
        kind: Kind = "query" if n < 50 else "document"
        await succeed(gate, reservation=Reservation(kind, 0, 0.1 + n / 7))
    assert not math.isnan(gate.account.quotas.tokens.window.others)
    await anyio.sleep(120.0)
    await succeed(gate, REPLY, reservation=Reservation("document", 0, 500.0))
