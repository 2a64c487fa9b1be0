"""``max_retry_after`` and ``deadline``: calls that would wait too long fail at once."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import (
    Limits,
    RateLimitError,
)
from aembed._gate import Gate, PausedBeyondDeadline, Reservation
from aembed._gate.account import DAY_QUOTA_PAUSE_S
from tests.gate.virtual_clock import WEEK, now
from tests.gate.visits import REPLY, enough, enter, fail

pytestmark = pytest.mark.virtual_time


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
    with pytest.raises(PausedBeyondDeadline) as caught:
        await enter(gate, Reservation("document", deadline=20.0))
    assert caught.value.until == 30.0
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
        (Reservation("document", deadline=120.0), PausedBeyondDeadline),
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
    assert gate.paused() == DAY_QUOTA_PAUSE_S
    with pytest.raises(RateLimitError, match=r"the day's quota is used up; the provider allows no request for 1\.0 h"):
        await enter(gate, Reservation("document", patience=120.0))
