"""Waking a loop from another thread: through an eventfd, and where there is none."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from aembed._sync.waker import waker


@pytest.mark.parametrize("platform", [pytest.param(sys.platform, id="here"), pytest.param("none", id="no eventfd")])
def test_a_thread_wakes_the_loop_until_it_is_closed(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aembed._sync.waker.sys.platform", platform)
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
