"""Run a coroutine: on uvloop where it is installed, on asyncio's own loop elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end. Ctrl-C cancels it, and raises KeyboardInterrupt once it has cleaned up."""
    with asyncio.Runner(loop_factory=_uvloop()) as runner:
        return runner.run(main)


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
