"""How a job runs: long work that blocks in a thread, step by step, so that it can be cancelled; and tasks beside it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

T = TypeVar("T")


class in_thread(Generic[T]):  # noqa: N801 (used like a function)
    """``async for item in in_thread(items)``: each item is made in a worker thread."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __aiter__(self) -> in_thread[T]:
        return self

    async def __anext__(self) -> T:
        item = await anyio.to_thread.run_sync(self._next)
        if item is None:
            raise StopAsyncIteration
        return item[0]

    def _next(self) -> tuple[T] | None:
        """In a tuple, for StopIteration cannot be raised into a coroutine."""
        for item in self._items:
            return (item,)
        return None


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
