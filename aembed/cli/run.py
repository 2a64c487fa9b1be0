"""Run a coroutine: on uvloop where it is installed, on asyncio's own loop elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any, TypeVar

from aembed.cli.errors import heeded_signals

T = TypeVar("T")

DESCRIPTORS = 20
"""An event loop and its thread take eight; a job its input, output, journal, vectors and cache."""
SIGNAL_PAUSE_S = 1.0
"""Seconds after a signal in which others count as the same: a shell and a terminal may both send one."""
SHOW_CURSOR = b"\x1b[?25h"


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end. Ctrl-C cancels it, and raises KeyboardInterrupt once it has cleaned up.

    A second one, a second later, ends the process at once. One that comes when the result is there changes nothing.

    Raises:
        OSError: the process may not open enough files.
    """
    try:
        _check_descriptors()
        with _Signals() as signals, asyncio.Runner(loop_factory=_uvloop()) as runner:
            return runner.run(signals.cancel_on_arrival(main))
    finally:
        main.close()  # where there are too few descriptors, it has not begun


class _Signals:
    """Those that arrive while a loop runs. An exception in the middle of a loop, as Python raises, would break it."""

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {}
        self._arrived: tuple[int, float] | None = None
        """The first signal and its time, in seconds."""
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> _Signals:
        for number in heeded_signals():
            handler = signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._arrived is not None and isinstance(error, asyncio.CancelledError):
            first, _ = self._arrived
            self._handlers[signal.Signals(first)](first, None)

    async def cancel_on_arrival(self, main: Coroutine[Any, Any, T]) -> T:
        """Await ``main``."""
        self._task = asyncio.current_task()
        if self._arrived is not None:
            raise asyncio.CancelledError
        try:
            return await main
        finally:
            self._task = None

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._arrived is not None:
            if time.monotonic() - self._arrived[1] > SIGNAL_PAUSE_S:
                _end_at_once(number)
            return
        self._arrived = number, time.monotonic()
        if self._task is not None:
            self._task.cancel()
            self._task.get_loop().call_soon_threadsafe(lambda: None)  # it may be asleep


def _end_at_once(number: int) -> None:
    """The files on the disk are good at any moment."""
    os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + b"aembed: interrupted; run the same command again\n")
    os._exit(128 + number)


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
