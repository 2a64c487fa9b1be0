"""Leaks of an operation: tasks, timers, slots of a gate."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from aembed._gate import Gate


@contextmanager
def every_gate() -> Generator[list[Gate]]:
    """The gates made inside the block."""
    gates: list[Gate] = []
    make = Gate.__init__

    def remember(gate: Gate, *args: Any, **options: Any) -> None:
        make(gate, *args, **options)
        gates.append(gate)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "__init__", remember)
        yield gates


@contextmanager
def nothing_left_behind() -> Generator[None]:
    """Inside a running loop: everything that appears within the block must be gone after it."""
    loop = asyncio.get_running_loop()
    tasks, timers = asyncio.all_tasks(), _timers(loop)
    with every_gate() as gates:
        yield
    gc.collect()  # so that sockets never closed and coroutines never awaited are reported here
    assert asyncio.all_tasks() - tasks <= {asyncio.current_task()}, "tasks left behind"
    left = [timer for timer in _timers(loop) if timer not in timers]
    assert left == [], "timers left behind"
    assert [gate for gate in gates if gate.in_flight or gate.waiting] == [], "places left taken"


def _timers(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    """Timers still set. uvloop does not show its own."""
    return [timer for timer in getattr(loop, "_scheduled", ()) if not timer.cancelled()]
