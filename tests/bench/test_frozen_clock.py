"""The clock does not move while the loop computes, and the counts that are equal for this reason."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections import deque
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from aembed import bench
from aembed.bench.micro import frozen_clock as room
from aembed.bench.micro.frozen_clock import FrozenClockLoop, _Selector


def on_still_loop(main: Any) -> Any:
    with asyncio.Runner(loop_factory=FrozenClockLoop) as runner:
        return runner.run(main())


def test_computing_takes_no_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(10):
            await asyncio.to_thread(lambda: None)
        waited = loop.time()
        sum(range(100_000))
        return loop.time() - waited

    assert on_still_loop(main) == 0.0


def test_waiting_takes_the_time_it_was_meant_to() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.wait([loop.create_future()], timeout=0.01)
        return loop.time()

    assert on_still_loop(main) == 0.01


def test_time_passes_although_something_else_wakes_the_loop() -> None:
    async def main() -> None:
        async def chatter() -> None:
            while True:
                await asyncio.to_thread(lambda: None)

        talking = asyncio.create_task(chatter())
        await asyncio.wait([talking], timeout=0.01)
        talking.cancel()

    on_still_loop(main)


def test_a_wait_that_is_cut_short_takes_as_long_as_it_took() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, _Selector() as selector:
        selector.register(ours, selectors.EVENT_READ)
        theirs.send(b"x")
        assert len(selector.select(3600.0)) == 1
        assert 0 < selector.now < 60.0
        before = selector.now
        assert len(selector.select(0)) == 1
        assert selector.now == before


@pytest.mark.parametrize(
    ("timeout", "ready", "passed"), [(None, True, 2.5), (1.5, True, 1.5), (9.0, True, 2.5), (1.5, False, 1.5)]
)
def test_a_wait_for_anything_takes_what_it_took(
    timeout: float | None, ready: bool, passed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two and a half seconds by the clock of the machine."""
    monkeypatch.setattr(selectors.DefaultSelector, "select", lambda *_: ["ready"] * ready)
    monkeypatch.setattr(room, "time", SimpleNamespace(perf_counter=iter([5.0, 7.5]).__next__))
    with _Selector() as selector:
        assert selector.select(timeout) == ["ready"] * ready
        assert selector.now == passed


def test_the_clock_can_be_put_forward() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FrozenClockLoop)
        rung: asyncio.Future[float] = loop.create_future()
        loop.call_later(60, lambda: rung.set_result(loop.time()))
        loop.pass_(60)
        return await rung

    assert on_still_loop(main) == 60.0


@bench.scenario
async def kept_for_a_minute(_: Any) -> AsyncIterator[Any]:
    """Like the requests sent that a quota keeps, in cells of a twentieth of a second."""
    loop, cells = asyncio.get_running_loop(), deque[list[float]]()

    async def call() -> None:
        now = loop.time()
        while cells and cells[0][0] < now - 60:
            cells.popleft()
        if not cells or now > cells[-1][0] + 0.05:
            cells.append([now])

    yield call


@pytest.mark.one_loop
async def test_work_that_depends_on_time_costs_the_same_on_every_run() -> None:
    first, second = [(await bench.cost(kept_for_a_minute, operations=10)).cost for _ in range(2)]
    assert first is not None
    assert first == second
    assert first.exact
    assert first.calls == int(first.calls)


@pytest.mark.one_loop
async def test_objects_kept_for_a_minute_are_no_leak() -> None:
    report = await bench.memory(kept_for_a_minute, operations=480)
    assert report.memory is not None
    assert not report.memory.leaking
