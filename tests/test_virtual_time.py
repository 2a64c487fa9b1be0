"""Time passes only when nothing else can happen, and exactly to the next timer."""

from __future__ import annotations

import asyncio
import math
import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from aembed.testing import VirtualTimeLoop
from tests.loops import run


@pytest.mark.virtual_time
async def test_tests_with_the_marker_run_on_it() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


def test_a_year_takes_no_time_and_is_exact() -> None:
    async def main() -> float:
        await anyio.sleep(365 * 24 * 3600.0)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(365 * 24 * 3600.0, abs=1e-6)


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    async def main() -> list[float]:
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await anyio.sleep(seconds)
            woken.append(seconds)
            assert anyio.current_time() == pytest.approx(seconds, abs=1e-6)

        async with anyio.create_task_group() as tasks:
            for seconds in (3.0, 1.0, 2.0, 0.5):
                tasks.start_soon(sleeper, seconds)
        return woken

    assert run(main()) == [0.5, 1.0, 2.0, 3.0]


def test_no_time_passes_while_there_is_work() -> None:
    async def main() -> float:
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    assert run(main()) == 0.0


def test_timeouts_run_on_it() -> None:
    async def main() -> float:
        with anyio.move_on_after(30.0):
            await anyio.sleep_forever()
        return anyio.current_time()

    assert run(main()) == pytest.approx(30.0)


def test_no_timer_can_make_it_stand_still() -> None:
    """A wait shorter than the clock's resolution still ends."""

    async def main() -> float:
        await anyio.sleep_until(1e9)
        for _ in range(100):
            await anyio.sleep(1e-12)
        return anyio.current_time()

    assert run(main()) >= 1e9


@pytest.mark.parametrize("since", [0.0, 1.0, 4000.0, 1e9])
@pytest.mark.parametrize("ahead", [-1.0, 0.0, 1e-15])
def test_a_timer_that_is_due_already_takes_a_moment(since: float, ahead: float) -> None:
    """Rate limiters set one again and again, until time has passed."""

    async def main() -> tuple[int, float]:
        await anyio.sleep_until(since)
        loop = asyncio.get_running_loop()
        started, rounds, passed = loop.time(), 0, asyncio.Event()

        def look() -> None:
            nonlocal rounds
            rounds += 1
            if loop.time() > started or rounds == 1000:
                passed.set()
            else:
                loop.call_at(started + ahead, look)

        loop.call_at(started + ahead, look)
        await passed.wait()
        return rounds, loop.time() - started

    rounds, took = run(main())
    assert rounds == 1
    assert took == pytest.approx(max(1e-9, 2 * math.ulp(since)), rel=0.1)


def test_timers_that_are_due_do_not_wait_for_work_to_end() -> None:
    async def main() -> float:
        due = asyncio.Event()
        asyncio.get_running_loop().call_later(0, due.set)
        while not due.is_set():
            await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    assert run(main()) == 0.0


def test_a_thread_can_still_wake_it() -> None:
    async def main() -> int:
        return await anyio.to_thread.run_sync(lambda: 7)

    assert run(main()) == 7


def test_the_end_of_a_run_waits_for_threads_however_much_time_passes() -> None:
    """Python gives them five minutes from 3.12 on, which nothing but timers would fill."""
    ended = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, ended.wait)
        loop.call_later(3600.0, ended.set)

    run(main())
    assert ended.is_set()


async def test_a_test_cannot_sleep_on_a_real_loop() -> None:
    await anyio.lowlevel.checkpoint()
    with pytest.raises(AssertionError, match=r"test_virtual_time sleeps for 0\.001 s"):
        await anyio.sleep(0.001)
