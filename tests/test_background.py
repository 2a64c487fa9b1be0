"""Threads for bulk work: they give way, their steps are waited for, and they end."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import Source
from aembed.providers import local
from aembed.providers._background import NICENESS, WorkerThreads
from aembed.providers._onnx import Encoder

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities for threads")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():
        await anyio.lowlevel.checkpoint()


@ON_LINUX
async def test_documents_give_way_to_queries_and_to_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    run = Encoder.run

    def noted(self: Encoder, ids: object) -> object:
        seen.append(niceness())
        return run(self, ids)  # type: ignore[arg-type]

    provider = await local.open_provider(Source(provider="local"))
    usual = niceness()
    monkeypatch.setattr(Encoder, "run", noted)
    await provider.embed(["word " * 200] * 4, kind="document")
    documents = set(seen)
    seen.clear()
    await provider.embed(["a query"], kind="query")
    await provider.aclose()
    assert documents == {max(NICENESS, usual)}
    assert set(seen) == {usual}
    assert niceness() == usual


async def test_a_cancelled_caller_waits_for_a_step_that_has_begun_and_for_no_other() -> None:
    threads = WorkerThreads(1, "test")
    begun, gate, ran = threading.Event(), threading.Event(), list[str]()

    def step(name: str) -> None:
        begun.set()
        assert gate.wait(timeout=30)
        ran.append(name)

    left: list[str] = []

    async def call(name: str) -> None:
        try:
            await threads.run(lambda: step(name))
        finally:
            left.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(call, "first")
        await until(begun.is_set)
        group.start_soon(call, "second")
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await until(lambda: left == ["second"])
            gate.set()
    assert left == ["second", "first"]
    assert ran == ["first"]
    threads.close()


async def test_an_error_of_a_step_reaches_its_caller() -> None:
    threads = WorkerThreads(1, "test")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    assert await threads.run(lambda: 2) == 2
    threads.close()


async def test_the_threads_end_with_close_and_start_again_for_a_batch_under_way() -> None:
    threads = WorkerThreads(1, "test")
    first = await threads.run(threading.current_thread)
    threads.close()
    threads.close()
    await until(lambda: not first.is_alive())
    second = await threads.run(threading.current_thread)
    assert second is not first
    threads.close()
    await until(lambda: not second.is_alive())


@pytest.mark.one_loop
async def test_steps_share_the_threads_and_wake_the_event_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = WorkerThreads(2, "test")
    both, seen, woken = threading.Barrier(2), list[int](), list[object]()
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe

    def counted(*args: Any, **options: Any) -> asyncio.Handle:
        woken.append(args)
        return wake(*args, **options)

    def step() -> None:
        both.wait(timeout=30)
        seen.append(threading.get_ident())

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    await threads.run_all([step] * 20)
    assert len(seen) == 20
    assert len(set(seen)) == 2
    assert len(woken) == 1
    await threads.run_all([])
    threads.close()


class Gated:
    """Steps of several calls in one thread, of which the first waits for its gate."""

    def __init__(self) -> None:
        self.threads = WorkerThreads(1, "test")
        self.begun, self.gate = threading.Event(), threading.Event()
        self.ran: list[str] = []

    def step(self, name: str) -> None:
        self.begun.set()
        assert self.gate.wait(timeout=30)
        self.ran.append(name)

    async def call(self, *names: str) -> None:
        await self.threads.run_all([partial(self.step, name) for name in names])


async def test_calls_take_turns_so_that_a_long_one_holds_up_no_other() -> None:
    gated = Gated()
    async with anyio.create_task_group() as group:
        group.start_soon(gated.call, "a1", "a2", "a3")
        await until(gated.begun.is_set)
        group.start_soon(gated.call, "b1", "b2")
        await anyio.wait_all_tasks_blocked()
        gated.gate.set()
    assert gated.ran == ["a1", "b1", "a2", "b2", "a3"]
    gated.threads.close()


async def test_a_cancelled_call_begins_no_further_step() -> None:
    gated, left = Gated(), list[str]()

    async def call(*names: str) -> None:
        try:
            await gated.call(*names)
        finally:
            left.append(names[0])

    async with anyio.create_task_group() as group:
        group.start_soon(call, "a1", "a2")
        await until(gated.begun.is_set)
        group.start_soon(call, "b1", "b2")
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await until(lambda: left == ["b1"])
            gated.gate.set()
    assert left == ["b1", "a1"]
    assert gated.ran == ["a1"]
    await gated.call("c1")
    assert gated.ran == ["a1", "c1"]
    gated.threads.close()


async def test_a_failed_step_ends_its_call_alone() -> None:
    gated = Gated()
    gated.gate.set()
    with pytest.raises(ZeroDivisionError):
        await gated.threads.run_all([partial(gated.step, "a1"), lambda: 1 / 0, partial(gated.step, "a3")])
    await gated.call("b1")
    assert gated.ran == ["a1", "b1"]
    gated.threads.close()


async def test_a_call_under_way_survives_close() -> None:
    gated = Gated()
    async with anyio.create_task_group() as group:
        group.start_soon(gated.call, "a1", "a2", "a3")
        await until(gated.begun.is_set)
        gated.threads.close()
        gated.gate.set()
    assert gated.ran == ["a1", "a2", "a3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_child_of_a_fork_starts_its_own() -> None:
    import subprocess

    code = """
import asyncio, os
from aembed.providers._background import WorkerThreads
threads = WorkerThreads(1, "test")
assert asyncio.run(threads.run(os.getpid)) == os.getpid()
if os.fork() == 0:
    assert asyncio.run(threads.run(os.getpid)) == os.getpid()
    threads.close()
    os._exit(0)
assert os.wait()[1] == 0
threads.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
