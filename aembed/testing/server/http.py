"""One client's connection: requests in, answers out in the same order, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from aembed.testing.faults import End, Step
from aembed.testing.server.fault_player import FaultPlayer, reset
from aembed.testing.server.parse import Malformed, Parser, Request

MAX_WAITING_BYTES = 256 * 1024
"""Bytes of further requests that are read while one is being answered."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ConnectionHandler(Protocol):
    """The interface behind the connections."""

    max_body: int

    def opened(self, connection: ServerConnection) -> None: ...

    def begun(self, connection: ServerConnection) -> None:
        """The first bytes of a request are here. It may break the connection."""
        ...

    def received(self, connection: ServerConnection, request: Request) -> None:
        """Answer with ``connection.answer``, now or later."""
        ...

    def malformed(self, connection: ServerConnection, error: Malformed) -> None:
        """The same for bytes that are not a request."""
        ...

    def closed(self, connection: ServerConnection) -> None: ...


class ServerConnection(asyncio.Protocol):
    """Gives each request to the handler, and takes the next when that one is answered."""

    def __init__(self, handler: ConnectionHandler) -> None:
        self._handler = handler
        self._parser = Parser(handler.max_body)
        self._busy = False
        self._stuck = False
        self._reading = True
        self._continued = False
        self._player: FaultPlayer | None = None
        self._stale = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._handler.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._stale:
            reset(self.transport)
            return
        if not (self._busy or self._parser.buffered):
            self._handler.begun(self)
        self._parser.feed(data)
        if not self._busy:
            self._advance()
        elif self._reading and self._parser.buffered > MAX_WAITING_BYTES:
            self._reading = False
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._busy = True  # buffered requests are not answered
        if self._player is not None:
            self._player.stop()
        self._handler.closed(self)

    def pause_writing(self) -> None:
        self._stuck = True
        if self._player is not None:
            self._player.pause()

    def resume_writing(self) -> None:
        self._stuck = False
        if self._player is not None:
            self._player.resume()
        elif not self._busy:
            self._advance()

    def answer(self, pieces: Sequence[bytes], *, keep_alive: bool) -> None:
        """Write a good answer: the one place where that happens."""
        self.transport.write(b"".join(pieces))
        self.answered(keep_alive=keep_alive)

    def play(self, steps: Iterator[Step], *, keep_alive: bool) -> None:
        """Write an answer as a fault spoils it."""

        def done(end: End | None) -> None:
            self._player = None
            self._stale = end is End.STALE
            if end in {None, End.STALE}:
                self.answered(keep_alive=keep_alive)

        self._busy = True
        self._player = FaultPlayer(self.transport, steps, done)
        self._player.advance()

    def answered(self, *, keep_alive: bool) -> None:
        """The answer is out, and the next request may come."""
        if not keep_alive:
            self.transport.close()
            return
        self._busy = False
        self._advance()

    def _advance(self) -> None:
        while not (self._busy or self._stuck or self.transport.is_closing()):
            try:
                request = self._parser.next()
            except Malformed as error:
                self._busy = True
                self._handler.malformed(self, error)
                return
            if request is None:
                self._ask_for_more()
                return
            self._busy, self._continued = True, False
            self._handler.received(self, request)

    def _ask_for_more(self) -> None:
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        head = self._parser.waits_for_body
        if head is not None and not self._continued and head.headers.get("expect", "").lower() == "100-continue":
            self._continued = True
            self.transport.write(CONTINUE)
