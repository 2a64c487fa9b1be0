"""A connection without a socket, and the answer that it reads from given bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from aembed import ProviderError
from aembed._wire.connection import Connection
from aembed._wire.outbox import Outbox

REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: "


class Wire(asyncio.Transport):
    """The loop's side: records the bytes written, how the connection was closed, and whether it is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.is_open = True
        self.is_read = True
        self.closed_by: list[str] = []

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def close(self) -> None:
        self.is_open = False
        self.closed_by.append("close")

    def abort(self) -> None:
        self.is_open = False
        self.closed_by.append("abort")

    def is_closing(self) -> bool:
        return not self.is_open


class Outcome(NamedTuple):
    """The answer or the error that the bytes became."""

    status: int | None
    body: bytes
    headers: dict[str, str]
    error: type[ProviderError] | None
    is_kept: bool


@contextmanager
def connected(outbox: Outbox | None = None) -> Generator[tuple[Connection, Wire]]:
    wire, loop = Wire(), asyncio.get_running_loop()
    with socket.socket() as near:
        connection = Connection(loop, near, outbox or Outbox(loop), is_tls=False, forget=lambda _: None)
        connection.connection_made(wire)
        yield connection, wire


async def answered(pieces: Sequence[bytes], *, ends: bool = True) -> Outcome:
    """Outcome of a request answered by ``pieces``, then by the end of the connection if it ``ends``."""
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        body = b""
        for piece in pieces:
            if wire.is_open:
                connection.data_received(piece)
        is_kept = wire.is_open and connection.can_be_kept
        if wire.is_open and ends:
            connection.eof_received()
        connection.connection_lost(None)
        try:
            await connection.wait()
        except ProviderError as error:
            return Outcome(None, b"", {}, type(error), is_kept)
        assert connection.head is not None
        body += b"".join(connection.take())
        return Outcome(connection.head.status, body, dict(connection.head.headers), None, is_kept)


HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"Content-Length: 2\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
