"""A process that exists only for its parent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace


class Ended:
    """A process as its parent sees it: its output, and its end."""

    def __init__(self, said: bytes = b"", *, heeds: bool = True) -> None:
        self.pid = 77
        self.returncode: int | None = None
        self._ended, self._heeds = asyncio.Event(), heeds
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_data(said)
        self.stdout.feed_eof()
        self.asked: list[bytes] = []
        self.stdin = SimpleNamespace(write=self.asked.append, close=self._closed)
        self.history: list[tuple[str, float]] = []

    def _note(self, what: str) -> None:
        self.history.append((what, asyncio.get_running_loop().time()))

    def _closed(self) -> None:
        self._note("closed")
        if self._heeds:
            self._ended.set()

    def kill(self) -> None:
        self._note("killed")
        self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()
        self._note("waited")
        self.returncode = 7
