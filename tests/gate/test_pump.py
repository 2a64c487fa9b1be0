"""An error anywhere in the pump reaches the waiting calls, so that none hangs. And the cost of a waiting call."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

import anyio
import pytest

from aembed import InputError, Limits, RateLimitError
from aembed._gate import Gate, Reservation
from tests.gate.visits import REPLY, enough, enter, limited

pytestmark = pytest.mark.virtual_time


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("injected")


def target(gate: Gate, path: str) -> tuple[Any, str]:
    thing: Any = gate
    *parts, name = path.split(".")
    for part in parts:
        thing = getattr(thing, part)
    return thing, name


IN_THE_PUMP = [
    "_admit_one",
    "_try",
    "_earliest",
    "_has_slot",
    "_gives_up_at",
    "_wake",
    "account.earliest",
    "account.reason_to_give_up",
    "account.quotas.estimate",
    "account.quotas.earliest",
    "account.quotas.requests.earliest",
    "account.backoff.gives_up_at",
]
ON_ADMISSION = [
    "_enter",
    "_lanes.went",
    "account.quotas.commit",
    "account.quotas.pace.sent",
    "account.quotas.episodes.sent",
]


async def outcomes(waiting: list[asyncio.Task[Any]]) -> list[Any]:
    done, pending = await asyncio.wait(waiting, timeout=600.0)
    for task in pending:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not pending, "some call hangs"
    return [task.exception() for task in done]


@pytest.mark.parametrize("path", [*IN_THE_PUMP, *ON_ADMISSION])
async def test_fault_108_an_exception_in_the_pump_reaches_every_waiting_call(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(2, limited(2.0))
    inside = [Reservation("document"), Reservation("document")]
    for reservation in inside:
        assert gate.try_enter(reservation)
    waiting = [asyncio.create_task(enter(gate, Reservation("document"))) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    thing, name = target(gate, path)
    if hasattr(type(thing), "__slots__") and not hasattr(thing, "__dict__"):
        thing = type(thing)
    monkeypatch.setattr(thing, name, broken)
    for reservation in inside:
        gate.leave(reservation, REPLY)
    errors = await outcomes(waiting)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    assert gate.waiting == 0


IN_LEAVE = [
    "account.succeeded",
    "account.quotas.answered",
    "account.quotas.token_ratio.answered",
    "account.concurrency.answered",
    "account.backoff.answered",
    "account.quotas.requests.ended",
    "account.quotas.pace.answered",
]


@pytest.mark.parametrize("path", IN_LEAVE)
async def test_fault_108_an_exception_on_the_way_out_is_raised_and_strands_no_call(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(1, Limits())
    inside, waits = gate.reservation("document", ["text"]), Reservation("document")
    assert gate.try_enter(inside)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.wait_all_tasks_blocked()
    thing, name = target(gate, path)
    if not hasattr(thing, "__dict__"):
        thing = type(thing)
    monkeypatch.setattr(thing, name, broken)
    with pytest.raises(ZeroDivisionError):
        gate.leave(inside, REPLY)
    assert await outcomes([waiting]) == [None]
    monkeypatch.undo()
    gate.leave(waits, REPLY)
    assert gate.in_flight == 0


@pytest.mark.parametrize("path", ["account.ended", "account.quotas.refund", "account.quotas.begin_episode"])
async def test_an_exception_while_a_429_is_handled_is_raised_too(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(1, Limits())
    inside, waits = Reservation("document"), Reservation("document")
    assert gate.try_enter(inside)
    waiting = asyncio.create_task(enter(gate, waits))
    await anyio.wait_all_tasks_blocked()
    thing, name = target(gate, path)
    monkeypatch.setattr(thing, name, broken)
    with pytest.raises(ZeroDivisionError):
        gate.leave(inside, error=RateLimitError("too fast"))
    assert await outcomes([waiting]) == [None]
    monkeypatch.undo()
    gate.leave(waits, REPLY)
    assert gate.in_flight == 0


async def test_fault_108_an_exception_in_the_timer_reaches_every_waiting_call(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = enough(Gate(4, limited(1.0)))
    inside = Reservation("document")
    assert gate.try_enter(inside)
    gate.leave(inside, REPLY)
    waiting = [asyncio.create_task(enter(gate, Reservation(kind))) for kind in ("document", "query", "document")]
    await anyio.wait_all_tasks_blocked()
    assert gate._timer is not None
    monkeypatch.setattr(gate.account, "earliest", broken)
    assert [type(error) for error in await outcomes(waiting)] == [ZeroDivisionError] * 3


async def test_a_call_that_no_longer_fits_a_reported_limit_does_not_wait_forever() -> None:
    gate = enough(Gate(4, limited(tokens=1000.0)))
    inside = Reservation("document", 0, 1000.0)
    assert gate.try_enter(inside)
    waiting = asyncio.create_task(enter(gate, waits := Reservation("document", 0, 900.0)))
    await anyio.wait_all_tasks_blocked()
    gate.set_limits(limited(tokens=100.0))
    gate.leave(inside, REPLY)
    (error,) = await outcomes([waiting])
    assert error is None or isinstance(error, InputError)
    if error is None:
        gate.leave(waits, REPLY)


WAITING = 10_000
MAX_BYTES = 4096


@pytest.mark.parametrize("quota", [None, 60.0])
async def test_a_waiting_call_costs_less_than_four_kilobytes(quota: float | None) -> None:
    """Its task, its future, its place in the queue and its reservation, all together."""
    gate = Gate(1, limited(quota))
    inside = Reservation("document")
    assert gate.try_enter(inside)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        waiting = [asyncio.create_task(gate.wait(gate.reservation("document", ["text"]))) for _ in range(WAITING)]
        await anyio.sleep(0.001)
        assert gate.waiting == WAITING
        each = (tracemalloc.get_traced_memory()[0] - before) / WAITING
    finally:
        tracemalloc.stop()
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    gate.leave(inside, REPLY)
    assert each < MAX_BYTES
