"""Lanes for documents and queries. Threads of documents run at a low priority."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio
import anyio.to_thread

from aembed._types import Kind

T = TypeVar("T")

NICENESS = 10
"""A tenth of the share of a thread with 0, and all of a core that is otherwise idle (Linux, ``man 7 sched``)."""


class WorkerLanes:
    """Worker threads in two lanes, so that a query never waits behind the batches of a bulk job.

    While both lanes are full, queries get the cores: the threads of documents give way. A cancelled caller waits for
    the step its thread is in, so steps are kept to some tens of milliseconds.
    """

    def __init__(self, widths: Mapping[Kind, int]) -> None:
        self._documents = BackgroundThreads(widths["document"])
        self._queries = anyio.CapacityLimiter(widths["query"])

    async def run(self, kind: Kind, step: Callable[[], T], /) -> T:
        """Run one step in a thread of the lane of ``kind``."""
        if kind == "document":
            return await self._documents.run(step)
        return await anyio.to_thread.run_sync(step, limiter=self._queries)

    def close(self) -> None:
        """End the threads after the steps in progress."""
        self._documents.close()


class BackgroundThreads:
    """``width`` dedicated threads, since a priority once lowered cannot be raised again.

    Only Linux has priorities for threads; elsewhere these are like any other. They start with the first step.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._process = 0
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, step: Callable[[], T], /) -> T:
        """Run one step. A cancelled caller waits until it is over, if it has begun."""
        future = self._started().submit(step)
        done = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if not future.cancel():
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([done])
            raise

    def close(self) -> None:
        """End the threads after the steps they were given. A later step starts them again."""
        if self._executor is not None and self._process == os.getpid():
            self._executor.shutdown(wait=False)
        self._executor = None

    def _started(self) -> ThreadPoolExecutor:
        """The child of a fork has no threads, and starts its own."""
        if self._executor is None or self._process != os.getpid():
            self._process = os.getpid()
            self._executor = ThreadPoolExecutor(self._width, "aembed-documents", initializer=_give_way)
        return self._executor


def _give_way() -> None:
    if os.name == "posix" and os.uname().sysname == "Linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
