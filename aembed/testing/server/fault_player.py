"""Plays a fault on a connection, step by step: writes, waits, and ends as it says."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

from aembed.testing.faults import End, Fault, Script, Stage, Step, scripted

LINGER_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes closing a reset."""


class FaultQueue:
    """The faults that a server is to play, in their order."""

    def __init__(self, script: Script) -> None:
        self._script = scripted(script)
        self._ahead: list[Fault | None] = []

    def take(self, at: Stage | None = None) -> Fault | None:
        """The next request's; with ``at`` only if it is one of that stage, else it stays the next."""
        if not self._ahead:
            self._ahead.append(next(self._script))
        fault = self._ahead[0]
        if at is None or (fault is not None and fault.at == at):
            return self._ahead.pop()
        return None


class FaultPlayer:
    """One fault under way. It writes no faster than the client reads."""

    def __init__(self, transport: asyncio.Transport, steps: Iterable[Step], done: Callable[[End | None], None]) -> None:
        self._transport = transport
        self._steps: Iterator[Step] = iter(steps)
        self._done = done
        self._timer: asyncio.TimerHandle | None = None
        self._stuck = False

    def advance(self) -> None:
        """Until it waits, is stuck, or ends."""
        self._stuck = False
        for step in self._steps:
            if self._transport.is_closing():
                return
            if isinstance(step, bytes):
                self._transport.write(step)
                if self._stuck:
                    return
            elif isinstance(step, End):
                self._end(step)
                return
            else:
                self._timer = asyncio.get_running_loop().call_later(step, self.advance)
                return
        self._done(None)

    def pause(self) -> None:
        self._stuck = True

    def resume(self) -> None:
        if self._stuck:
            self.advance()

    def stop(self) -> None:
        """The client has left, or the server ends."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self, end: End) -> None:
        if end is End.RESET:
            reset(self._transport)
        elif end is End.CLOSED:
            self._transport.close()
        self._done(end)


def reset(transport: asyncio.Transport) -> None:
    """Break the connection as a server does that has crashed, or forgotten it."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    transport.abort()
