"""Pauses, because the server asks for one or does not answer; and the end of waiting."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import (
    AuthenticationError,
    ConnectError,
    Limits,
    OverloadedError,
    RateLimitError,
)
from aembed._gate import Gate, Reservation
from aembed._gate.account import MAX_RETRY_AFTER_S
from aembed._gate.backoff import (
    FIRST_PROBE_WAIT_S,
    GIVE_UP_AFTER_S,
    MAX_PROBE_WAIT_S,
    OUTAGE_FAILURES,
    Backoff,
)
from tests.gate.virtual_clock import DAY, WEEK, now
from tests.gate.visits import REPLY, enough, enter, fail, limited, succeed

pytestmark = pytest.mark.virtual_time


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
    assert gate.paused() == pytest.approx(FIRST_PROBE_WAIT_S)
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
    assert gate.paused() == pytest.approx(FIRST_PROBE_WAIT_S)
    probes = [await fail(gate, RateLimitError("slow down"), takes=0.1) for _ in range(6)]
    assert [b - a for a, b in pairwise(probes)] == pytest.approx(
        [1.1, 2.1, 4.1, MAX_PROBE_WAIT_S + 0.1, MAX_PROBE_WAIT_S + 0.1]
    )
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
    assert gate.paused() == pytest.approx(FIRST_PROBE_WAIT_S)
    await succeed(gate)
    assert not gate.account.backoff.probing


async def test_a_429_to_an_earlier_request_does_not_prolong_the_backoff() -> None:
    gate = enough(Gate(8, Limits()))
    early = [Reservation("document") for _ in range(4)]
    for reservation in early:
        await enter(gate, reservation)
    for reservation in early:
        gate.leave(reservation, error=RateLimitError("slow down"))
    assert gate.account.backoff.wait == FIRST_PROBE_WAIT_S
    await succeed(gate)


async def test_a_server_that_is_down_is_asked_by_one_request_at_a_time() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(OUTAGE_FAILURES - 1):
        await fail(gate, ConnectError("reset"))
    assert gate.paused() == 0
    await fail(gate, ConnectError("reset"))
    assert gate.paused() == FIRST_PROBE_WAIT_S
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


async def test_a_gate_is_unavailable_until_a_probe_is_due_and_while_it_is_under_way() -> None:
    """Once it is due, the next call may close the circuit breaker: a service without calls gets some."""
    gate, available = enough(Gate(16, Limits())), []
    for _ in range(OUTAGE_FAILURES):
        available.append(gate.is_available)
        await fail(gate, ConnectError("reset"))
    assert all(available)
    available = [gate.is_available]
    await anyio.sleep(gate.paused())
    available.append(gate.is_available)
    probe = Reservation("document")
    await enter(gate, probe)
    available.append(gate.is_available)
    gate.leave(probe, REPLY)
    available.append(gate.is_available)
    assert available == [False, True, False, True]


async def test_a_pause_without_an_open_circuit_breaker_is_no_outage() -> None:
    gate = enough(Gate(16, Limits()))
    await fail(gate, OverloadedError("busy", retry_after=30.0))
    assert gate.paused() == pytest.approx(30.0)
    assert gate.is_available


async def test_an_error_with_a_reason_is_an_answer() -> None:
    gate = enough(Gate(16, Limits()))
    for _ in range(3 * OUTAGE_FAILURES):
        await fail(gate, ConnectError("reset"))
        await fail(gate, AuthenticationError("no such key"))
    assert not gate.account.backoff.probing


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
        assert 0.0 <= backoff.wait <= MAX_PROBE_WAIT_S
        assert backoff.until >= before
        assert backoff.until <= max(before, at + MAX_RETRY_AFTER_S)
        assert not math.isnan(backoff.gives_up_at())
        assert backoff.silent(at) >= 0.0


def test_a_server_is_not_silent_while_calls_wait_as_it_asked() -> None:
    """An answer at second 1, a Retry-After of a minute at second 2, and from its end on nothing but failures."""
    backoff = Backoff()
    backoff.answered(1.0, 0.5)
    backoff.announced(2.0, 60.0, 1.5, probe=True)
    for number in range(8):
        at = 62.0 + 5 * number
        backoff.failed(at + 0.1, at, is_probe=True)
    assert backoff.gives_up_at() == pytest.approx(62.0 + GIVE_UP_AFTER_S)
    backoff.announced(105.0, 60.0, 104.0, probe=True)
    backoff.failed(166.0, 165.5, is_probe=True)
    assert backoff.gives_up_at() == pytest.approx(62.0 + GIVE_UP_AFTER_S), "a second one gives it no more time"
