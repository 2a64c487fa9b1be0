"""The calls under way, so that closing can refuse new ones and wait for the last."""

from __future__ import annotations

import anyio

from aembed._errors import ClosedError
from aembed._home import Home


class Calls:
    """``with calls:`` around each call; ``await calls.drain()`` once, to close."""

    __slots__ = ("_count", "_home", "_idle", "_owner", "closed")

    def __init__(self, owner: str, home: Home) -> None:
        self.closed = False
        self._home = home
        self._owner = owner
        self._count = 0
        self._idle: anyio.Event | None = None

    def __enter__(self) -> None:
        if self.closed:
            raise ClosedError(f"{self._owner} is closed; make a new one")
        self._home.enter(self._owner)
        self._count += 1

    def __exit__(self, *exc_info: object) -> None:
        self._count -= 1
        if self._idle is not None and not self._count:
            self._idle.set()

    @property
    def under_way(self) -> int:
        return self._count

    async def drain(self) -> None:
        """Refuse new calls and wait until those under way have ended."""
        self.closed = True
        if self._count:
            self._idle = anyio.Event()
            await self._idle.wait()
