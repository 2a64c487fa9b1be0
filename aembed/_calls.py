"""The calls under way, so that closing can reject new ones, wait for the last, and cancel those that take too long."""

from __future__ import annotations

import asyncio
from types import TracebackType

import anyio

from aembed._errors import ClosedError
from aembed._home import Home


class Calls:
    """``with calls:`` around each call; ``await calls.drain(grace)``, to close."""

    __slots__ = ("_cut_off", "_home", "_idle", "_owner", "_tasks", "closed")

    def __init__(self, owner: str, home: Home) -> None:
        self.closed = False
        self._home = home
        self._owner = owner
        self._tasks: dict[asyncio.Task[object] | None, int] = {}
        """Task -> its calls that are under way: more than one where a provider calls the embedder it belongs to."""
        self._cut_off: set[asyncio.Task[object] | None] = set()
        self._idle: anyio.Event | None = None

    def __enter__(self) -> None:
        if self.closed:
            raise ClosedError(f"{self._owner} is closed; make a new one")
        task = asyncio.current_task(self._home.enter(self._owner))
        self._tasks[task] = self._tasks.get(task, 0) + 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        left = self._tasks.pop(task) - 1
        if left:
            self._tasks[task] = left
            return
        if self._idle is not None and not self._tasks:
            self._idle.set()
        if task is not None and task in self._cut_off:
            self._cut_off.discard(task)
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise ClosedError(f"{self._owner} was closed, and did not wait for this call any longer") from None

    @property
    def under_way(self) -> int:
        return len(self._tasks)

    async def drain(self, grace: float | None) -> None:
        """Reject new calls and wait until those under way have ended. After ``grace`` seconds they are cancelled."""
        self.closed = True
        if not self._tasks:
            return
        self._idle = self._idle or anyio.Event()
        with anyio.move_on_after(grace):
            await self._idle.wait()
        for task in self._tasks.keys() - self._cut_off:
            if task is not None:
                self._cut_off.add(task)
                task.cancel()
        await self._idle.wait()
