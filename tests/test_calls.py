"""Calls are counted, so that closing waits for the last and rejects the next."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from aembed import ClosedError
from aembed._lifecycle import ActiveCalls, LoopAffinity


async def test_an_idle_owner_closes_at_once() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))
    with calls:
        pass
    await calls.drain(None)
    with pytest.raises(ClosedError, match="the thing is closed; make a new one"), calls:
        pass


async def test_draining_waits_for_the_last() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))
    with calls:
        with calls:
            draining = asyncio.create_task(calls.drain(None))
            await anyio.wait_all_tasks_blocked()
        assert not draining.done()
    await draining


@pytest.mark.virtual_time
async def test_calls_that_take_too_long_are_cancelled() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))
    outcomes: list[tuple[str, float]] = []

    async def call(seconds: float) -> None:
        try:
            with calls:
                await anyio.sleep(seconds)
        except ClosedError as error:
            assert "the thing was closed, and did not wait for this call" in str(error)
            outcomes.append(("closed", anyio.current_time()))
        else:
            outcomes.append(("done", anyio.current_time()))
        await anyio.sleep(1.0)  # the task continues: nothing else in it is cancelled
        outcomes.append(("after", anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, 3.0)
        tasks.start_soon(call, 3600.0)
        await anyio.wait_all_tasks_blocked()
        await calls.drain(10.0)
        assert anyio.current_time() == 10.0
    assert outcomes == [("done", 3.0), ("after", 4.0), ("closed", 10.0), ("after", 11.0)]


@pytest.mark.virtual_time
async def test_a_call_that_is_slow_to_be_cancelled_is_waited_for() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))

    async def call() -> None:
        with calls:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(5.0)

    task = asyncio.create_task(call())
    await anyio.wait_all_tasks_blocked()
    await calls.drain(0)
    assert anyio.current_time() == 5.0
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], ClosedError)


async def test_a_call_within_a_call_is_cut_off_with_it() -> None:
    """A provider may ask the embedder that it belongs to."""
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))

    async def call() -> None:
        with calls, calls:
            await anyio.sleep_forever()

    task = asyncio.create_task(call())
    await anyio.wait_all_tasks_blocked()
    await calls.drain(0)
    with pytest.raises(ClosedError):
        await task
    assert (task.cancelling(), calls.under_way) == (0, 0)


async def test_a_task_cancelled_by_its_owner_stays_cancelled() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))

    async def call() -> None:
        with calls:
            await anyio.sleep_forever()

    task = asyncio.create_task(call())
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    await calls.drain(0)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_that_fails_is_over_too() -> None:
    calls = ActiveCalls("the thing", LoopAffinity(lambda: False))
    with pytest.raises(LookupError), calls:
        raise LookupError
    await calls.drain(None)
