"""Many blocks, one limit: each ends exactly in time, and takes no foreign cancellation for its timeout."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import count

import anyio
import pytest

from aembed._engine.timeout import SharedTimeout
from tests.cancel import cancel_at
from tests.leaks import nothing_left_behind
from tests.loops import matrix, run

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> list[asyncio.TimerHandle]:
    return [timer for timer in getattr(asyncio.get_running_loop(), "_scheduled") if not timer.cancelled()]  # noqa: B009


async def limited(limit: SharedTimeout, seconds: float) -> float:
    """Sleep; when it ended, negative if its time was up first."""
    try:
        with limit.scope():
            await anyio.sleep(seconds)
            return now()
    except TimeoutError:
        return -now()


async def started(limit: SharedTimeout, at: float, seconds: float) -> float:
    await anyio.sleep(at)
    return await limited(limit, seconds)


async def test_blocks_of_different_ages_end_each_in_its_own_time() -> None:
    limit = SharedTimeout(10.0)
    starts = [0.0, 0.0, 0.5, 3.0, 9.5, 25.0]
    ended = await asyncio.gather(*(started(limit, at, 100.0) for at in starts))
    assert ended == [pytest.approx(-at - 10.0) for at in starts]


async def test_only_blocks_that_take_too_long_time_out() -> None:
    limit = SharedTimeout(10.0)
    ended = await asyncio.gather(
        *(started(limit, at, 100.0 if number % 3 == 0 else 9.0) for number, at in enumerate(range(30)))
    )
    assert ended == [pytest.approx(-at - 10.0 if at % 3 == 0 else at + 9.0) for at in range(30)]


async def test_one_timer_serves_all_and_goes_with_the_last() -> None:
    limit = SharedTimeout(10.0)
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waiting() -> None:
        with limit.scope():
            await answer

    before = len(timers())
    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(waiting)
        await anyio.wait_all_tasks_blocked()
        assert len(timers()) == before + 1
        answer.set_result(None)
    assert len(timers()) == before


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    limit = SharedTimeout(10.0)
    task = asyncio.create_task(limited(limit, 100.0))
    await anyio.sleep(5.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == pytest.approx(5.0)


@pytest.mark.parametrize("before", [True, False])
async def test_in_the_same_moment_the_cancellation_from_outside_wins(before: bool) -> None:
    limit = SharedTimeout(10.0)
    tasks: list[asyncio.Task[float]] = []

    def cancel() -> None:
        tasks[0].cancel()

    loop = asyncio.get_running_loop()
    if before:
        loop.call_at(now() + 10.0, cancel)
    tasks.append(asyncio.create_task(limited(limit, 100.0)))
    await anyio.sleep(0.0)
    if not before:
        loop.call_at(now() + 10.0, cancel)
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert tasks[0].cancelling() == 1


async def test_an_answer_in_the_same_moment_is_a_timeout_like_any_other() -> None:
    """The answer has woken the task, but it has not run yet: ``asyncio.timeout`` ends it all the same."""
    limit = SharedTimeout(10.0)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_at(now() + 10.0, answer.set_result, "there")
    with pytest.raises(TimeoutError), limit.scope():
        await answer
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.sleep(1.0)  # no cancellation is left over
    assert now() == pytest.approx(11.0)


@pytest.mark.parametrize(("outer", "inner"), [(5.0, 10.0), (10.0, 5.0), (5.0, 5.0)])
async def test_nested_blocks_end_the_one_whose_time_is_up(outer: float, inner: float) -> None:
    around, within = SharedTimeout(outer), SharedTimeout(inner)
    ended = []

    async def nested() -> None:
        with suppress(TimeoutError), within.scope():
            await anyio.sleep(100.0)
        ended.append(now())
        await anyio.sleep(100.0)

    with pytest.raises(TimeoutError), around.scope():
        await nested()
    ended.append(now())
    assert ended[-1] == pytest.approx(outer)
    assert len(ended) == 1 + (inner < outer)


@pytest.mark.parametrize(("deadline", "ended"), [(5.0, 5.0), (10.0, 10.0), (20.0, 10.0)])
async def test_within_a_scope_of_anyio_each_keeps_its_own(deadline: float, ended: float) -> None:
    limit = SharedTimeout(10.0)
    with anyio.move_on_after(deadline) as scope:
        with suppress(TimeoutError), limit.scope():
            await anyio.sleep(100.0)
    assert now() == pytest.approx(ended)
    assert scope.cancelled_caught is (deadline <= ended)
    await anyio.sleep(1.0)


@pytest.mark.parametrize("error", [TimeoutError("another's"), ValueError("x")])
async def test_errors_pass(error: Exception) -> None:
    limit = SharedTimeout(10.0)
    with pytest.raises(type(error)) as caught, limit.scope():
        raise error
    assert caught.value is error


async def test_an_error_on_the_way_out_of_a_timeout_is_not_hidden() -> None:
    limit = SharedTimeout(1.0)

    async def fails_to_close() -> None:
        with limit.scope():
            try:
                await anyio.sleep(10.0)
            finally:
                raise ValueError("while closing")

    with pytest.raises(ValueError, match="while closing"):
        await fails_to_close()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_slowly_is_cancelled_once_and_holds_up_no_other() -> None:
    limit = SharedTimeout(10.0)

    async def stubborn() -> float:
        with suppress(TimeoutError), limit.scope():
            try:
                await anyio.sleep(100.0)
            finally:
                await anyio.sleep(50.0)
        return now()

    ended = await asyncio.gather(stubborn(), started(limit, 5.0, 100.0), started(limit, 30.0, 100.0))
    assert list(ended) == [pytest.approx(60.0), pytest.approx(-15.0), pytest.approx(-40.0)]


def test_cancelled_anywhere_nothing_is_left() -> None:
    async def cancelled_at(suspension: int) -> bool:
        limit = SharedTimeout(10.0)

        async def twice() -> None:
            await limited(limit, 100.0)
            await limited(limit, 1.0)

        with nothing_left_behind():
            bystander = asyncio.create_task(started(limit, 3.0, 100.0))
            cancelled = await cancel_at(suspension, twice())
            assert await bystander == pytest.approx(-13.0)
            assert await limited(limit, 100.0) == pytest.approx(-now())
        return cancelled

    assert next(suspension for suspension in count(1) if not run(cancelled_at(suspension))) > 2


@pytest.mark.parametrize("loop", matrix())
def test_on_every_loop_and_on_one_after_the_other(loop: str) -> None:
    """A limit outlives its loop."""
    limit = SharedTimeout(0.01)

    async def forever() -> bool:
        with pytest.raises(TimeoutError), limit.scope():
            await asyncio.get_running_loop().create_future()
        return True

    async def some() -> list[bool]:
        return list(await asyncio.gather(*(forever() for _ in range(5))))

    for _ in range(2):
        assert run(some(), loop_factory=matrix()[loop]) == [True] * 5
