"""Blocking work in a thread, step by step, so that it can be cancelled; and tasks next to it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

T = TypeVar("T")

STEP_S = 0.005


class in_thread(Generic[T]):  # noqa: N801 (used like a function)
    """``async for item in in_thread(items)``: items are made in a worker thread, for some milliseconds at a time."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._made: deque[T] = deque()

    def __aiter__(self) -> in_thread[T]:
        return self

    async def __anext__(self) -> T:
        if not self._made:
            await anyio.to_thread.run_sync(self._make)
        if not self._made:
            raise StopAsyncIteration
        return self._made.popleft()

    def _make(self) -> None:
        """Going to a thread and back takes as long as a small step does."""
        end = time.monotonic() + STEP_S
        for item in self._items:
            self._made.append(item)
            if time.monotonic() >= end:
                break


class task_group:  # noqa: N801 (used like a function)
    """``async with task_group() as tasks``: raises the first error as it is, and not in a group."""

    def __init__(self) -> None:
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> TaskGroup:
        return await self._tasks.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            first = group.exceptions[0]
            raise first from first.__cause__
