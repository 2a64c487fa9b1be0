"""Waking a loop from another thread: through an eventfd, and where there is none."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import anyio.lowlevel
import pytest

from aembed._sync.waker import waker

PLATFORMS = pytest.mark.parametrize(
    "platform", [pytest.param(sys.platform, id="here"), pytest.param("none", id="no eventfd")]
)


def as_on(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed._sync.waker.sys.platform", platform)
    if platform == "none":
        monkeypatch.delattr(os, "eventfd", raising=False)


@PLATFORMS
def test_a_thread_wakes_the_loop_until_it_is_closed(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_on(platform, monkeypatch)
    with asyncio.Runner() as runner:
        woken = asyncio.Event()
        wake = waker(runner.get_loop(), woken.set)
        for _ in range(2):
            woken.clear()
            thread = threading.Thread(target=wake)
            thread.start()
            runner.run(woken.wait())
            thread.join()
    with pytest.raises(RuntimeError, match="closed"):
        wake()


@PLATFORMS
def test_the_loop_calls_back_once_it_is_woken_and_not_before(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_on(platform, monkeypatch)
    calls: list[int] = []

    async def turn() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()

    with asyncio.Runner() as runner:
        wake = waker(runner.get_loop(), lambda: calls.append(1))
        runner.run(turn())
        assert calls == []
        wake()
        runner.run(turn())
        runner.run(turn())
        assert calls == [1]
