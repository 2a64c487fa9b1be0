"""Pauses, because the server asks for one or does not answer; and the end of waiting."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import (
    AuthenticationError,
    ConnectError,
    DeadlineError,
    EmbedderFactory,
    Limits,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RetryPolicy,
)
from aembed._gate import Gate, Reservation
from aembed._gate.account import MAX_RETRY_AFTER_S, RETRY_DAY_AFTER_S
from aembed._gate.backoff import (
    FIRST_S,
    GIVE_UP_AFTER_S,
    GIVE_UP_ANNOUNCED_AFTER_S,
    LONGEST_S,
    OUTAGE_FAILURES,
    Backoff,
)
from aembed.testing import ScriptedProvider
from tests.gate.visits import REPLY, enough, enter, fail, limited, succeed

pytestmark = pytest.mark.virtual_time

DAY, WEEK = 86_400.0, 7 * 86_400.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_429_stops_everybody_until_the_time_it_names() -> None:
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("slow down", retry_after=30.0))
    assert gate.paused() == pytest.approx(30.0)
    assert not gate.is_available
    reservations = [Reservation("query"), Reservation("document")]
    starts = [asyncio.create_task(enter(gate, reservation)) for reservation in reservations]
    await anyio.sleep(29.9)
    assert gate.in_flight == 0
    await anyio.sleep(0.2)
    assert gate.in_flight == 1, "one request sees whether the server keeps its word"
    assert await starts[0] == pytest.approx(30.0)
    gate.leave(reservations[0], REPLY)
    await starts[1]
    gate.leave(reservations[1], REPLY)


async def test_a_batch_that_was_rejected_goes_first_and_no_herd_follows() -> None:
    gate = enough(Gate(16, limited(60.0)))
    await fail(gate, RateLimitError("slow down", retry_after=10.0))
    others = [Reservation("document") for _ in range(20)]
    waiting = [asyncio.create_task(enter(gate, reservation)) for reservation in others]
    await anyio.lowlevel.checkpoint()
    mine = Reservation("document")
    assert await enter(gate, mine, first=True) == pytest.approx(10.0)
    await anyio.sleep(2.0)
    assert gate.in_flight == 1
    gate.leave(mine, REPLY)
    for reservation, start in zip(others, waiting, strict=True):
        await start
        gate.leave(reservation, REPLY)
    starts = sorted(reservation.sent_at for reservation in others)
    assert starts[0] >= 12.0
    assert starts[-1] <= 80.1


@pytest.mark.parametrize("nonsense", [0.0, -0.0, math.nan, -5.0, 1e9, math.inf])
async def test_a_time_that_makes_no_sense_counts_as_none(nonsense: float) -> None:
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("slow down", retry_after=nonsense))
    assert gate.paused() == pytest.approx(FIRST_S)
    await succeed(gate)


@pytest.mark.parametrize("wait", [3000.0, 3601.0, DAY, WEEK])
async def test_fault_112_any_wait_up_to_a_week_is_obeyed_if_the_patience_allows_it(wait: float) -> None:
    assert wait <= MAX_RETRY_AFTER_S
    gate = enough(Gate(8, Limits()))
    await fail(gate, RateLimitError("next week", retry_after=wait))
    reservation = Reservation("document", patience=wait)
    assert await enter(gate, reservation) == pytest.approx(wait)
    gate.leave(reservation, REPLY)


async def test_without_a_time_one_asks_at_a_time_and_ever_more_seldom() -> None:
    gate = enough(Gate(8, Limits()))
    reservations = [Reservation("document") for _ in range(6)]
    waiting = [asyncio.create_task(enter(gate, reservation)) for reservation in reservations]
    await anyio.lowlevel.checkpoint()
    for reservation in reservations:  # all under way, all rejected at once
        gate.leave(reservation, error=RateLimitError("slow down"))
    assert gate.paused() == pytest.approx(FIRST_S)
    probes = [await fail(gate, RateLimitError("slow down"), takes=0.1) for _ in range(6)]
    assert [b - a for a, b in pairwise(probes)] == pytest.approx([1.1, 2.1, 4.1, LONGEST_S + 0.1, LONGEST_S + 0.1])
    probe, other = Reservation("document"), Reservation("query")
    await enter(gate, probe)
    behind = asyncio.create_task(enter(gate, other))
    await anyio.sleep(3.0)
    assert (gate.waiting_for(), gate.in_flight) == ("pause", 1)
    gate.leave(probe, REPLY)
    await behind
    gate.leave(other, REPLY)
    await asyncio.wait(waiting)


async def test_an_answer_to_an_earlier_request_does_not_end_the_backoff() -> None:
    gate = enough(Gate(8, Limits()))
    early = Reservation("document")
    await enter(gate, early)
    await anyio.sleep(0.1)
    await fail(gate, RateLimitError("slow down"))
    gate.leave(early, REPLY)
    assert gate.account.backoff.probing
    assert gate.paused() == pytest.approx(FIRST_S)
    await succeed(gate)
    assert not gate.account.backoff.probing


async def test_a_429_to_an_earlier_request_does_not_prolong_the_backoff() -> None:
    gate = enough(Gate(8, Limits()))
    early = [Reservation("document") for _ in range(4)]
    for reservation in early:
        await enter(gate, reservation)
    for reservation in early:
        gate.leave(reservation, error=RateLimitError("slow down"))
    assert gate.account.backoff.wait == FIRST_S
    await succeed(gate)


async def test_a_server_that_is_down_is_asked_by_one_request_at_a_time() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(OUTAGE_FAILURES - 1):
        await fail(gate, ConnectError("reset"))
    assert gate.paused() == 0
    await fail(gate, ConnectError("reset"))
    assert gate.paused() == FIRST_S
    reservations = [Reservation("document") for _ in range(5)]
    waiting = [asyncio.create_task(enter(gate, reservation)) for reservation in reservations]
    await anyio.sleep(10.0)
    assert gate.in_flight == 1
    gate.leave(reservations[0], REPLY)
    for reservation, task in zip(reservations[1:], waiting[1:], strict=True):
        await task
        gate.leave(reservation, REPLY)
    assert now() == pytest.approx(10.0, abs=1.0)


async def test_a_probe_that_is_cancelled_makes_room_for_the_next() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("slow down"))
    probe = Reservation("document")
    await enter(gate, probe)
    gate.leave(probe)
    assert gate.account.backoff.probing
    await succeed(gate)
    assert not gate.account.backoff.probing


async def test_an_error_with_a_reason_is_an_answer() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(3 * OUTAGE_FAILURES):
        await fail(gate, ConnectError("reset"))
        await fail(gate, AuthenticationError("no such key"))
    assert not gate.account.backoff.probing


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
    assert through <= min(seconds + LONGEST_S, GIVE_UP_AFTER_S)
    assert len(sent) <= OUTAGE_FAILURES + 5 + seconds / LONGEST_S


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


@pytest.mark.parametrize(("wait", "said"), [(3000.0, "3000 s"), (7200.0, "2.0 h"), (WEEK, "168.0 h")])
async def test_fault_112_a_pause_beyond_the_patience_is_an_error_at_once_that_says_how_long(
    wait: float, said: str
) -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("tomorrow", retry_after=wait))
    with pytest.raises(RateLimitError, match=f"no request for {said}, longer than max_retry_after=120") as raised:
        await enter(gate, Reservation("document", patience=120.0))
    assert now() == 0.0
    assert not raised.value.retryable
    assert raised.value.retry_after == pytest.approx(wait)


async def test_a_call_that_waits_already_fails_as_soon_as_the_pause_is_known() -> None:
    gate = Gate(1, Limits())
    inside, waits = Reservation("document"), Reservation("document", patience=120.0)
    await enter(gate, inside)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.sleep(5.0)
    gate.leave(inside, error=RateLimitError("tomorrow", retry_after=3000.0))
    with pytest.raises(RateLimitError, match="3000 s"):
        await waiting
    assert now() == 5.0


async def test_a_pause_beyond_the_deadline_is_an_error_at_once() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("soon", retry_after=30.0))
    with pytest.raises(DeadlineError, match=r"no request for 30 s, and the deadline is in 20\.0 s"):
        await enter(gate, Reservation("document", deadline=20.0))
    assert now() == 0.0
    reservation = Reservation("document", deadline=31.0)
    assert await enter(gate, reservation) == pytest.approx(30.0)
    gate.leave(reservation, REPLY)


async def test_one_call_without_patience_leaves_the_others_waiting() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("later", retry_after=300.0))
    patient = Reservation("document")
    waiting = asyncio.create_task(enter(gate, patient))
    await anyio.lowlevel.checkpoint()
    with pytest.raises(RateLimitError):
        await enter(gate, Reservation("query", patience=120.0))
    assert await waiting == pytest.approx(300.0)
    gate.leave(patient, REPLY)


@pytest.mark.parametrize(
    ("impatient", "error"),
    [
        (Reservation("document", patience=120.0), RateLimitError),
        (Reservation("document", deadline=120.0), DeadlineError),
    ],
)
async def test_a_call_without_patience_behind_a_patient_one_fails_at_once_too(
    impatient: Reservation, error: type[Exception]
) -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, RateLimitError("later", retry_after=300.0))
    waiting = asyncio.create_task(enter(gate, Reservation("document")))
    await anyio.lowlevel.checkpoint()
    behind = asyncio.create_task(enter(gate, impatient))
    done, _ = await asyncio.wait([behind], timeout=1.0)
    for task in (waiting, behind):
        task.cancel()
    outcomes = await asyncio.gather(waiting, behind, return_exceptions=True)
    assert done
    assert isinstance(outcomes[1], error)


async def test_fault_113_a_days_quota_without_a_time_is_asked_for_in_an_hour() -> None:
    gate = enough(Gate(16, Limits()))
    used_up = RateLimitError("the day's quota")
    used_up.scope = "day"
    await fail(gate, used_up)
    assert gate.paused() == RETRY_DAY_AFTER_S
    with pytest.raises(RateLimitError, match=r"the day's quota is used up; the provider allows no request for 1\.0 h"):
        await enter(gate, Reservation("document", patience=120.0))


moments = st.floats(allow_nan=False, allow_infinity=False)
events = st.tuples(
    st.sampled_from(["answered", "announced", "unannounced", "failed"]),
    moments,
    moments,
    st.floats(0.0, MAX_RETRY_AFTER_S),
    st.booleans(),
)


async def test_probes_keep_to_the_pace_once_one_of_them_has_succeeded() -> None:
    """Small requests that succeed do not end the backoff, and several in a row would overrun a short window."""
    backoff = Backoff()
    backoff.unannounced(1.0, 0.5, is_probe=False)
    backoff.answered(1.1, 0.9, ends=False)  # sent before
    assert not backoff.is_answered
    backoff.answered(2.0, 1.6, ends=False)
    assert (backoff.is_answered, backoff.probing) == (True, True)
    backoff.unannounced(3.0, 2.5, is_probe=True)
    assert not backoff.is_answered


@given(st.lists(events, max_size=60))
def test_a_backoff_survives_any_history(history: list[tuple[str, float, float, float, bool]]) -> None:
    backoff = Backoff()
    for what, at, sent_at, wait, flag in history:
        before = backoff.until
        if what == "answered":
            backoff.answered(at, sent_at, ends=flag)
        elif what == "announced":
            backoff.announced(at, wait, sent_at, probe=flag)
        elif what == "unannounced":
            backoff.unannounced(at, sent_at, is_probe=flag, wait=wait)
        else:
            backoff.failed(at, sent_at, is_probe=flag)
        assert 0.0 <= backoff.wait <= LONGEST_S
        assert backoff.until >= before
        assert backoff.until <= max(before, at + MAX_RETRY_AFTER_S)
        assert not math.isnan(backoff.gives_up_at())
        assert backoff.silent(at) >= 0.0
