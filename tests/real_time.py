"""Tests do not wait for real: ``anyio.sleep`` in a test needs a loop whose time is virtual."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import anyio

from aembed.testing import VirtualTimeLoop

Sleep = Callable[[float], Awaitable[None]]


def ban_sleep() -> None:
    """Replace ``anyio.sleep`` by one that raises where a test would wait for real. aembed itself may."""
    if not getattr(anyio.sleep, "is_checked", False):
        setattr(anyio, "sleep", _checked(anyio.sleep))  # noqa: B010  # mypy forbids assigning to a module's function


def _checked(sleep: Sleep) -> Sleep:
    def checked(delay: float) -> Awaitable[None]:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if delay > 0 and caller.startswith("tests.") and not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            raise AssertionError(f"{caller} sleeps for {delay} s of real time: use VirtualTimeLoop or an event")
        return sleep(delay)

    setattr(checked, "is_checked", True)  # noqa: B010  # as above
    return checked
