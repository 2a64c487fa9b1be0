"""The event loops tests run on, and how to run a coroutine on virtual time from a plain function."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aembed.testing import VirtualTimeLoop

T = TypeVar("T")

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def debugging() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    return loop


def eager() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def matrix() -> dict[str, LoopFactory]:
    """Every loop that users run: asyncio, uvloop where it is installed, and eager tasks where Python has them."""
    factories: dict[str, LoopFactory] = {"asyncio": debugging}
    if importlib.util.find_spec("uvloop"):
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    if sys.version_info >= (3, 12):
        factories["eager"] = eager
    return factories


def run(main: Coroutine[Any, Any, T], *, loop_factory: LoopFactory = VirtualTimeLoop) -> T:
    """Run ``main`` on a fresh loop: on virtual time, for the many examples of a property."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main)
