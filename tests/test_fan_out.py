"""Many at once, but not too many, and one error instead of a group."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed._engine.fan_out import fan_out
from aembed._groups import first_error


@pytest.mark.virtual_time
async def test_items_start_in_order_at_most_so_many_at_a_time() -> None:
    started: list[tuple[int, float]] = []

    async def send(item: int) -> None:
        started.append((item, anyio.current_time()))
        await anyio.sleep(1.0)

    await fan_out(send, range(5), max_at_once=2)
    assert [item for item, _ in started] == [0, 1, 2, 3, 4]
    assert [time for _, time in started] == pytest.approx([0, 0, 1, 1, 2], abs=1e-6)


async def test_one_failure_arrives_as_itself() -> None:
    async def send(item: int) -> None:
        if item == 1:
            raise LookupError(item)
        await anyio.sleep_forever()

    with pytest.raises(LookupError, match="1"):
        await fan_out(send, [0, 1, 2], max_at_once=3)


async def test_one_of_several_failures_arrives() -> None:
    async def send(item: int) -> None:
        raise LookupError(item)

    with pytest.raises(LookupError):
        await fan_out(send, [0, 1, 2], max_at_once=3)


async def test_cancellation_arrives_as_itself() -> None:
    async def send(_: int) -> None:
        await anyio.sleep_forever()

    task = asyncio.create_task(fan_out(send, [0, 1], max_at_once=2))
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_group_that_is_the_users_own_stays_a_group() -> None:
    mine = ExceptionGroup("mine", [LookupError(), KeyError()])
    with pytest.raises(ExceptionGroup, match="mine"), first_error():
        raise ExceptionGroup("the task group's", [mine])


def test_no_group_no_change() -> None:
    with pytest.raises(LookupError), first_error():
        raise LookupError
