"""A test that hangs ends the run, which says its name.

pytest-timeout raises by a signal, which does not get through uvloop, or ends the process without the name; so does
pytest's own ``faulthandler_timeout``. With xdist the other tests continue in another process.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Generator

import pytest


class TimeLimit:
    """A plugin. One thread looks at the clock for all tests: those that count threads always see it."""

    def __init__(self, config: pytest.Config, seconds: float) -> None:
        self._config = config
        self._seconds = seconds
        self._current: tuple[str, float] | None = None
        threading.Thread(target=self._watch, name="time limit", daemon=True).start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._current = item.nodeid, time.monotonic()
        try:
            return (yield)
        finally:
            self._current = None

    def _watch(self) -> None:
        never = threading.Event()
        while not never.wait(self._seconds / 10):
            current = self._current
            if current is not None and time.monotonic() - current[1] > self._seconds:
                self._end(current[0])

    def _end(self, name: str) -> None:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)
        sys.stderr.write(f"\n{name} did not end within {self._seconds:g} s\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(file=sys.__stderr__ or 2)
        os._exit(1)
