"""A server on a separate loop, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager


@contextmanager
def in_thread(server: AbstractAsyncContextManager[object]) -> Generator[None]:
    """Serves until the end of the block. An error of the start is raised here."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        async with server:
            started.set_result((asyncio.get_running_loop(), end))
            await end.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except OSError as error:  # the port is taken, for one
            started.set_exception(error)

    thread = threading.Thread(target=run, name="loopback server", daemon=True)
    thread.start()
    loop, end = started.result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
