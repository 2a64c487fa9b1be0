"""Every pacer keeps its schedule: never early, nothing left out."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable

import numpy as np
import pytest

from aembed.bench.load import pacer as room
from aembed.bench.load.pacer import Pacer, TimerfdPacer, TimerPacer, clock_of, pacer_for

MAKERS: list[Callable[[asyncio.AbstractEventLoop], Pacer]] = [lambda loop: TimerPacer(loop, fallback="told")]
if sys.platform == "linux":
    MAKERS.append(TimerfdPacer)


@pytest.mark.parametrize("make", MAKERS)
async def test_all_come_and_none_is_early(make: Callable[[asyncio.AbstractEventLoop], Pacer]) -> None:
    loop = asyncio.get_running_loop()
    clock, pacer, over = clock_of(loop), make(loop), asyncio.Event()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    schedule = clock() + np.array([-5, 0, 1, 1, 1, 20, 21, 40]) * 1_000_000
    told: list[tuple[int, int]] = []

    def due(n: int) -> None:
        told.append((n, clock()))
        if n == len(schedule):
            over.set()

    pacer.start(schedule.data, due)
    await over.wait()
    if isinstance(pacer, TimerfdPacer):
        assert select.select([pacer._fd], [], [], 0)[0] == [], "the loop is not woken again and again"
    pacer.stop()
    counts = [n for n, _ in told]
    assert counts == sorted(set(counts))
    assert counts[0] >= 2  # requests due in the past come at once
    assert all(schedule[n - 1] <= now for n, now in told)
    assert errors == []


@pytest.mark.parametrize("make", MAKERS)
async def test_a_pacer_that_is_stopped_is_still(make: Callable[[asyncio.AbstractEventLoop], Pacer]) -> None:
    loop = asyncio.get_running_loop()
    pacer, told, first = make(loop), list[int](), asyncio.Event()

    def due(n: int) -> None:
        told.append(n)
        pacer.stop()
        first.set()

    now = clock_of(loop)()
    pacer.start(np.array([now, now + 10**6, now + 10**15]).data, due)
    await first.wait()
    pacer.stop()  # twice does no harm
    assert len(told) == 1


@pytest.mark.parametrize("make", MAKERS)
async def test_the_first_does_not_wait_for_the_second(make: Callable[[asyncio.AbstractEventLoop], Pacer]) -> None:
    loop = asyncio.get_running_loop()
    pacer, told, first = make(loop), list[int](), asyncio.Event()

    def due(n: int) -> None:
        told.append(n)
        first.set()

    now = clock_of(loop)()
    pacer.start(np.array([now, now + 10**15]).data, due)
    await first.wait()
    pacer.stop()
    assert told == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd")
async def test_a_stopped_timer_leaves_no_reader_on_its_closed_descriptor() -> None:
    """The next file to be opened gets the same number, and the loop would watch that."""
    loop = asyncio.get_running_loop()
    pacer = TimerfdPacer(loop)
    pacer.start(np.array([clock_of(loop)() + 10**15]).data, lambda _: None)
    descriptor = pacer._fd
    assert os.fstat(descriptor)
    pacer.stop()
    assert not loop.remove_reader(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.mark.virtual_time
async def test_virtual_time_is_kept_to_the_nanosecond() -> None:
    loop = asyncio.get_running_loop()
    clock, pacer, over = clock_of(loop), pacer_for(loop), asyncio.Event()
    times = clock() + np.cumsum(np.arange(1, 200)) * 1_000_003
    told: list[int] = []

    def due(n: int) -> None:
        told.append(clock() - int(times[n - 1]))
        if n == len(times):
            over.set()

    pacer.start(times.data, due)
    await over.wait()
    assert (pacer.name, pacer.fallback) == ("call_at", None)
    assert len(told) == len(times)
    assert max(told) <= 1


async def test_other_systems_are_named_with_the_missing_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "plan9")
    pacer = pacer_for(asyncio.get_running_loop())
    assert pacer.name == "call_at"
    assert pacer.fallback == "no timerfd on plan9: starts may be a millisecond or more late"


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is of Linux")
async def test_a_missing_timerfd_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def reject() -> int:
        raise OSError("no more descriptors")

    monkeypatch.setattr(room, "_timerfd_create", reject)
    pacer = pacer_for(asyncio.get_running_loop())
    assert pacer.name == "call_at"
    assert pacer.fallback is not None
    assert pacer.fallback.startswith("no timerfd (no more descriptors)")
