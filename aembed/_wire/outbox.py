"""The requests that begin in one turn of the event loop, written a few at a time.

A write goes through the kernel up to the server's socket, and wakes the server. Written one by one, between the answers
that are decoded in the same turn, requests took a tenth more of the processor: the kernel's code and ours pushed each
other out of the caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MOST_WAITING = 8
"""Requests that wait at most: the server is to have work, and the first of them to be answered soon."""


class Outbox:
    """Shared by the connections of a pool. The first request of a turn goes out at once: it may be the only one."""

    __slots__ = ("_loop", "_turn_has_begun", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turn_has_begun = False
        self._waiting: list[Callable[[], None]] = []

    def put(self, write: Callable[[], None]) -> None:
        """Call ``write`` now, or with others by the end of this turn. It must not raise."""
        if not self._turn_has_begun:
            self._turn_has_begun = True
            self._loop.call_soon(self._end_turn)
            write()
            return
        self._waiting.append(write)
        if len(self._waiting) == MOST_WAITING:
            self._write_all()

    def _end_turn(self) -> None:
        self._turn_has_begun = False
        self._write_all()

    def _write_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for write in waiting:
            write()
