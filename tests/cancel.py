"""Cancelling an operation at every point where it, or a task it has started, gives control away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that reports each suspension. For everything else it is the coroutine itself."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], suspended: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._suspended = suspended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        waits_for = self._coroutine.send(value)
        self._suspended()
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._coroutine.throw(*error)
        self._suspended()
        return waits_for

    def close(self) -> None:
        self._coroutine.close()


async def cancel_at(suspension: int, operation: Coroutine[Any, Any, Any]) -> bool:
    """Run ``operation`` and cancel it at its ``suspension``-th suspension. False: it ended before there was one."""
    loop = asyncio.get_running_loop()
    seen = 0

    def suspended() -> None:
        nonlocal seen
        seen += 1
        if seen == suspension:
            victim.cancel()

    def stepped(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Stepped(coroutine, suspended), loop=loop, **options)

    loop.set_task_factory(stepped)
    victim = loop.create_task(operation)
    try:
        await victim
    except asyncio.CancelledError:
        return True
    finally:
        loop.set_task_factory(None)
    return False
