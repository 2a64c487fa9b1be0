"""When nobody may send: the server said so, or does not answer."""

from __future__ import annotations

import asyncio
import math
import re
from contextlib import suppress
from itertools import pairwise

import anyio
import pytest

from aembed import (
    AuthenticationError,
    ConnectError,
    EmbedderFactory,
    Limits,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RetryPolicy,
)
from aembed._gate import Gate, Permit
from aembed._gate.pause import FIRST, HOPELESS, LONGEST_DOWN, LONGEST_REFUSED, OUTAGE, SHORTEST
from aembed.testing import ScriptedProvider
from tests.gate.visits import REPLY, enough, enter, fail, limited, succeed

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_refusal_freezes_everyone_until_the_time_it_names() -> None:
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("slow down", retry_after=30.0))
    assert gate.paused() == pytest.approx(30.0)
    permits = [Permit("query"), Permit("document")]
    starts = await asyncio.gather(*(enter(gate, permit) for permit in permits))
    assert starts == pytest.approx([30.0, 30.0])
    for permit in permits:
        gate.leave(permit, REPLY)


async def test_who_was_refused_goes_first_and_no_herd_follows() -> None:
    gate = enough(Gate(16, limited(60.0)))
    await fail(gate, RateLimitError("slow down", retry_after=10.0))
    others = [Permit("document") for _ in range(20)]
    waiting = [asyncio.create_task(enter(gate, permit)) for permit in others]
    await anyio.lowlevel.checkpoint()
    mine = Permit("document")
    assert await enter(gate, mine, first=True) == pytest.approx(10.0)
    gate.leave(mine, REPLY)
    for permit in others:
        await anyio.sleep(1.0)
        gate.leave(permit, REPLY)
    starts = [await start for start in waiting]
    assert starts[0] >= 10.9
    assert all(b - a >= 0.9 for a, b in pairwise(starts))


async def test_a_server_that_says_at_once_is_left_alone_for_a_moment() -> None:
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("slow down", retry_after=0.0))
    assert await succeed(gate) == pytest.approx(SHORTEST)


@pytest.mark.parametrize("nonsense", [math.nan, -5.0, 1e9, math.inf])
async def test_a_time_that_makes_no_sense_counts_as_none(nonsense: float) -> None:
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("slow down", retry_after=nonsense))
    assert gate.paused() == pytest.approx(FIRST)
    await succeed(gate)


async def test_without_a_time_one_asks_at_a_time_and_ever_more_seldom() -> None:
    gate = enough(Gate(8, Limits()))
    permits = [Permit("document") for _ in range(6)]
    waiting = [asyncio.create_task(enter(gate, permit)) for permit in permits]
    await anyio.lowlevel.checkpoint()
    for permit in permits:  # all under way, all refused at once
        gate.leave(permit, error=RateLimitError("slow down"))
    assert gate.paused() == pytest.approx(FIRST)
    probes = [await fail(gate, RateLimitError("slow down"), takes=0.1) for _ in range(3)]
    assert [b - a for a, b in pairwise(probes)] == pytest.approx([1.1, 2.1])
    probe, other = Permit("document"), Permit("query")
    await enter(gate, probe)
    behind = asyncio.create_task(enter(gate, other))
    await anyio.sleep(3.0)
    assert (gate.waiting_for(), gate.in_flight) == ("pause", 1)
    gate.leave(probe, REPLY)
    await behind
    gate.leave(other, REPLY)
    await asyncio.wait(waiting)


async def test_an_answer_to_an_earlier_request_does_not_end_the_pause() -> None:
    gate = enough(Gate(8, Limits()))
    early = Permit("document")
    await enter(gate, early)
    await fail(gate, RateLimitError("slow down"))
    gate.leave(early, REPLY)
    assert gate.account.pause.silence == FIRST
    assert gate.paused() == pytest.approx(FIRST)
    await succeed(gate)
    assert not gate.account.pause.probing


async def test_a_server_that_is_down_is_asked_by_one_request_at_a_time() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(OUTAGE - 1):
        await fail(gate, ConnectError("refused"))
    assert gate.paused() == 0
    await fail(gate, ConnectError("refused"))
    assert gate.paused() == FIRST
    permits = [Permit("document") for _ in range(5)]
    waiting = [asyncio.create_task(enter(gate, permit)) for permit in permits]
    await anyio.sleep(10.0)
    assert gate.in_flight == 1
    gate.leave(permits[0], REPLY)
    await anyio.sleep(0.1)
    assert gate.in_flight == 4
    for permit in permits[1:]:
        gate.leave(permit, REPLY)
    await asyncio.wait(waiting)


async def test_a_probe_that_is_cancelled_makes_room_for_the_next() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("slow down"))
    probe = Permit("document")
    await enter(gate, probe)
    gate.leave(probe)
    assert gate.account.pause.probing
    await succeed(gate)
    assert not gate.account.pause.probing


async def test_a_refusal_with_a_reason_is_an_answer() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(3 * OUTAGE):
        await fail(gate, ConnectError("refused"))
        await fail(gate, AuthenticationError("no such key"))
    assert not gate.account.pause.probing


async def outage(gate: Gate, error: ProviderError) -> None:
    for _ in range(OUTAGE):
        await fail(gate, error)
    while gate.paused() < LONGEST_DOWN:
        await fail(gate, error)
    probe, waits = Permit("document"), Permit("document")
    await enter(gate, probe)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.lowlevel.checkpoint()
    gate.leave(probe, error=error)
    with pytest.raises(OverloadedError, match=r"nothing but errors for \d+ s, the last a ConnectError; see") as raised:
        await waiting
    assert not raised.value.retryable


async def test_after_enough_probes_whoever_waits_is_told() -> None:
    gate = enough(Gate(16, Limits()))
    await outage(gate, ConnectError("refused"))
    assert now() > 30


async def test_what_they_are_told_is_said_once_and_is_not_of_another_model(factory: EmbedderFactory) -> None:
    busy = OverloadedError("big-model is busy", provider="scripted", status=503, request_id="another's")
    provider = ScriptedProvider([busy] * 1000)
    embedder = await factory.new_embedder(provider, retry=RetryPolicy(max_attempts=1000))
    result = await embedder.embed([f"text {n}" for n in range(40)], on_error="return")
    told = {str(error) for error in result.failures.values() if "nothing but errors" in str(error)}
    assert {re.sub(r"\d+ s|attempts \d+", "N", message) for message in told} == {
        "the provider has answered nothing but errors for N, the last an OverloadedError with status 503; "
        "see whether it is down, and try again later [provider scripted, N]"
    }


async def test_and_newcomers_are_told_at_once_until_the_next_probe_is_due() -> None:
    gate = enough(Gate(16, Limits()))
    await outage(gate, ConnectError("refused"))
    with pytest.raises(OverloadedError):
        await enter(gate, Permit("query"))
    await anyio.sleep(gate.paused())
    await succeed(gate)
    assert not gate.account.pause.hopeless(now())


async def test_a_quota_that_is_hidden_is_asked_for_every_few_seconds_and_given_up_after_more_than_a_window() -> None:
    gate = enough(Gate(16, Limits()))
    await succeed(gate)
    probes = []
    with suppress(OverloadedError):
        while now() < 2 * HOPELESS:
            probes.append(await fail(gate, RateLimitError("slow down")))
    assert max(b - a for a, b in pairwise(probes)) == pytest.approx(LONGEST_REFUSED)
    assert 60 < probes[-1] - probes[0] <= HOPELESS


async def test_silence_while_nobody_asked_is_no_reason_to_give_up() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(OUTAGE):
        await fail(gate, ConnectError("refused"))
    await anyio.sleep(3600.0)
    await fail(gate, ConnectError("refused"))
    await succeed(gate)


async def test_a_pause_longer_than_anyone_will_wait_is_an_error() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("tomorrow", retry_after=3000.0))
    with pytest.raises(RateLimitError, match="no request for 3000 s, longer than max_retry_after=120") as raised:
        await enter(gate, Permit("document", patience=120.0))
    assert not raised.value.retryable
