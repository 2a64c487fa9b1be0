"""A server on a loop of its own, in a thread: its tasks and timers are not the test's, as with a real one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

from aembed.testing import LoopbackServer


@contextmanager
def elsewhere(server: LoopbackServer) -> Generator[LoopbackServer]:
    """Serves until the end of the block."""
    listening = threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with server:
            ends.append((asyncio.get_running_loop(), asyncio.Event()))
            listening.set()
            await ends[0][1].wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    listening.wait()
    try:
        yield server
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
