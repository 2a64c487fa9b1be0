"""Outages: how long calls wait for a server that is down, and when they give up."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable

import anyio
import pytest

from aembed import (
    ConnectError,
    EmbedderFactory,
    Limits,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RetryPolicy,
)
from aembed._gate import Gate, Reservation
from aembed._gate.backoff import (
    GIVE_UP_AFTER_S,
    GIVE_UP_ANNOUNCED_AFTER_S,
    MAX_PROBE_WAIT_S,
    OUTAGE_FAILURES,
)
from aembed.testing import ScriptedProvider
from tests.gate.virtual_clock import now
from tests.gate.visits import REPLY, enough, enter, fail, succeed

pytestmark = pytest.mark.virtual_time


def connection_fails() -> ProviderError:
    return ConnectError("reset")


def too_fast() -> ProviderError:
    return RateLimitError("slow down")


def come_back_in_two() -> ProviderError:
    return RateLimitError("slow down", retry_after=2.0)


def come_back_in_thirty() -> ProviderError:
    return RateLimitError("slow down", retry_after=30.0)


Failure = Callable[[], ProviderError]


async def outage(gate: Gate, failure: Failure, seconds: float, *, calls: int = 1) -> tuple[float, list[float]]:
    """The server answers until this moment, then fails for so long; when a call gets through, and all that was sent."""
    await succeed(gate)
    began = now()
    sent: list[float] = []

    async def call() -> float:
        while True:
            reservation = Reservation("document")
            await enter(gate, reservation, first=bool(sent))
            sent.append(reservation.sent_at - began)
            if reservation.sent_at - began >= seconds:
                gate.leave(reservation, REPLY)
                return reservation.sent_at - began
            gate.leave(reservation, error=failure())

    through = await asyncio.gather(*(call() for _ in range(calls)))
    return max(through), sent


@pytest.mark.parametrize("failure", [connection_fails, too_fast])
@pytest.mark.parametrize("seconds", [1.0, 10.0, 62.0, 70.0, 89.0, 89.9])
async def test_fault_110_an_outage_of_less_than_a_minute_and_a_half_loses_nothing(
    failure: Failure, seconds: float
) -> None:
    through, sent = await outage(enough(Gate(16, Limits())), failure, seconds)
    assert through <= min(seconds + MAX_PROBE_WAIT_S, GIVE_UP_AFTER_S)
    assert len(sent) <= OUTAGE_FAILURES + 5 + seconds / MAX_PROBE_WAIT_S


@pytest.mark.parametrize("failure", [connection_fails, too_fast])
@pytest.mark.parametrize("seconds", [90.1, 95.0, 1000.0])
async def test_fault_110_a_longer_one_is_given_up_exactly_then(failure: Failure, seconds: float) -> None:
    with pytest.raises(OverloadedError, match="nothing but errors for 90 s, the last a") as raised:
        await outage(enough(Gate(16, Limits())), failure, seconds, calls=5)
    assert now() == pytest.approx(GIVE_UP_AFTER_S, abs=0.01)
    assert not raised.value.retryable
    await anyio.sleep(1.0)


@pytest.mark.parametrize("failure", [come_back_in_two, come_back_in_thirty])
@pytest.mark.parametrize("seconds", [60.0, 600.0, 890.0])
async def test_a_server_that_names_a_time_each_time_is_waited_for_a_quarter_of_an_hour(
    failure: Failure, seconds: float
) -> None:
    through, _ = await outage(enough(Gate(16, Limits())), failure, seconds)
    assert seconds <= through <= seconds + 30.0


@pytest.mark.parametrize("failure", [too_fast, come_back_in_two, come_back_in_thirty])
@pytest.mark.parametrize("seconds", [62.0])
async def test_a_few_calls_are_through_within_a_minute_of_the_end_of_an_outage_of_429s(
    failure: Failure, seconds: float
) -> None:
    through, _ = await outage(enough(Gate(16, Limits())), failure, seconds, calls=5)
    assert through <= seconds + 30.0 + 60.0 - 1.0


async def test_and_then_it_is_given_up_too() -> None:
    with pytest.raises(OverloadedError, match="nothing but errors for 900 s"):
        await outage(enough(Gate(16, Limits())), come_back_in_two, math.inf)
    assert now() == pytest.approx(GIVE_UP_ANNOUNCED_AFTER_S, abs=0.01)


async def test_a_wait_longer_than_that_is_kept_and_one_request_finds_out() -> None:
    gate = enough(Gate(16, Limits()))
    await succeed(gate)
    await fail(gate, RateLimitError("in an hour", retry_after=3600.0))
    assert await succeed(gate) == pytest.approx(3600.0)


async def test_a_new_call_fails_at_once_until_the_next_probe_is_due() -> None:
    gate = enough(Gate(16, Limits()))
    with pytest.raises(OverloadedError):
        await outage(gate, connection_fails, math.inf)
    await anyio.sleep(gate.paused())
    await fail(gate, ConnectError("reset"))
    started = now()
    with pytest.raises(OverloadedError):
        await enter(gate, Reservation("query"))
    assert now() == started
    await anyio.sleep(gate.paused())
    await succeed(gate)
    assert gate.is_available


async def test_the_error_names_its_kind_once_and_nothing_of_another_model(factory: EmbedderFactory) -> None:
    busy = OverloadedError("big-model is busy", provider="scripted", status=503, request_id="another's")
    provider = ScriptedProvider([busy] * 1000)
    embedder = await factory.new_embedder(provider, retry=RetryPolicy(max_attempts=1000))
    result = await embedder.embed([f"text {n}" for n in range(40)], on_error="return")
    messages = {str(error) for error in result.failures.values() if "nothing but errors" in str(error)}
    assert {re.sub(r"\d+ s|attempts \d+", "N", message) for message in messages} <= {
        "the provider has answered nothing but errors for N, the last an OverloadedError with status 503; "
        "check whether it is down, and try again later [provider scripted, N]"
    }
    assert len(result.failures) == 40


async def test_silence_without_requests_is_no_reason_to_give_up() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(OUTAGE_FAILURES):
        await fail(gate, ConnectError("reset"))
    await anyio.sleep(3600.0)
    began = now()
    await fail(gate, ConnectError("reset"))
    await anyio.sleep(60.0)
    await fail(gate, ConnectError("reset"))
    await succeed(gate)
    assert now() - began < GIVE_UP_AFTER_S


async def test_an_outage_after_a_long_rest_is_survived_as_any_other() -> None:
    gate = enough(Gate(16, Limits()))
    await succeed(gate)
    await anyio.sleep(36_000.0)
    began = now()
    try:
        while True:
            await fail(gate, ConnectError("reset"))
    except OverloadedError:
        pass
    assert now() - began == pytest.approx(GIVE_UP_AFTER_S, abs=0.01)
