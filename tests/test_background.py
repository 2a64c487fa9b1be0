"""Threads for bulk work: they give way, their steps are waited for, and they end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from aembed import Source
from aembed.providers import local
from aembed.providers._background import NICENESS, BackgroundThreads
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
    threads = BackgroundThreads(1)
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
    threads = BackgroundThreads(1)
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)
    assert await threads.run(lambda: 2) == 2
    threads.close()


async def test_the_threads_end_with_close_and_start_again_for_a_batch_under_way() -> None:
    threads = BackgroundThreads(1)
    first = await threads.run(threading.current_thread)
    threads.close()
    threads.close()
    await until(lambda: not first.is_alive())
    second = await threads.run(threading.current_thread)
    assert second is not first
    threads.close()
    await until(lambda: not second.is_alive())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_the_child_of_a_fork_starts_its_own() -> None:
    import subprocess

    code = """
import asyncio, os
from aembed.providers._background import BackgroundThreads
threads = BackgroundThreads(1)
assert asyncio.run(threads.run(os.getpid)) == os.getpid()
if os.fork() == 0:
    assert asyncio.run(threads.run(os.getpid)) == os.getpid()
    threads.close()
    os._exit(0)
assert os.wait()[1] == 0
threads.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
