"""Run a coroutine: on uvloop where it is installed, on asyncio's own loop elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any, TypeVar

T = TypeVar("T")

DESCRIPTORS = 20
"""An event loop and its thread take eight; a job its input, output, journal, vectors and cache."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end. Ctrl-C cancels it, and raises KeyboardInterrupt once it has cleaned up.

    Raises:
        OSError: the process may not open enough files.
    """
    try:
        _check_descriptors()
        with asyncio.Runner(loop_factory=_uvloop()) as runner:
            return runner.run(main)
    finally:
        main.close()  # where there are too few descriptors, it has not begun


def _check_descriptors() -> None:
    """An event loop that gets none half-way cannot even be closed."""
    with ExitStack() as files:
        for _ in range(DESCRIPTORS):
            files.enter_context(open(os.devnull, "rb"))


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
