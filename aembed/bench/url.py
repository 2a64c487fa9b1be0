"""A web server as a subject, over HTTP/1.1 connections that are kept open: as few moving parts as a load needs.

No redirects are followed, because that would measure two servers; bodies larger than MAX_BODY_BYTES are an error.
The server needs its own process: one that shares the loop of the generator is measured by ``--asgi``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

import httptools

from aembed import InputError
from aembed.bench.asgi import AsgiResponse, HttpRequest

MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The server that a base URL names."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, url: str) -> ServerAddress:
        """InputError for anything but http:// and https://."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
            raise InputError(f"{url!r} is not the address of a web server; write http://127.0.0.1:8000")
        return cls(
            parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")
        )


class WebServer:
    """Its connections: as many as there are requests at once."""

    def __init__(self, place: ServerAddress) -> None:
        self._place = place
        self._idle: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._tls = ssl.create_default_context() if place.scheme == "https" else None

    async def __aenter__(self) -> WebServer:
        """Opens the first connection. InputError if that fails: a wrong address is not worth a whole run."""
        place = self._place
        try:
            self._idle.append(await self._connect())
        except OSError as error:
            raise InputError(
                f"nothing answers at {place.scheme}://{place.host}:{place.port}: {error.strerror or error}. "
                "Start the server, or correct the URL"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._all:
            connection.close()

    async def ask(self, request: HttpRequest) -> AsgiResponse:
        """Send one request and read its answer. Raises OSError if the connection fails."""
        connection = await self._connection()
        try:
            response = await connection.exchange(self._bytes_of(request))
        except BaseException:  # a connection that was left within an answer cannot be used again
            self._drop(connection)
            raise
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            self._drop(connection)
        return response

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()  # the one used last: others may be closed by the server, and are noticed
            if connection.is_reusable:
                return connection
            self._drop(connection)
        return await self._connect()

    async def _connect(self) -> _Connection:
        loop, place = asyncio.get_running_loop(), self._place
        _, connection = await loop.create_connection(_Connection, place.host, place.port, ssl=self._tls)
        self._all.add(connection)
        return connection

    def _drop(self, connection: _Connection) -> None:
        connection.close()
        self._all.discard(connection)

    def _bytes_of(self, request: HttpRequest) -> bytes:
        target = self._place.prefix + request.path + (f"?{request.query}" if request.query else "")
        lines = [f"{request.method} {target} HTTP/1.1", f"host: {self._place.host}:{self._place.port}", "accept: */*"]
        lines.append("user-agent: aembed-bench")
        if request.body:
            lines += ["content-type: application/json", f"content-length: {len(request.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + request.body


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[AsgiResponse] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._size = 0
        self._open = True

    @property
    def is_reusable(self) -> bool:
        return self._open and self._answer is None

    async def exchange(self, data: bytes) -> AsgiResponse:
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._chunks, self._size = [], 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        self._open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        self._open = False
        self._fail(exc or ConnectionResetError("the server closed the connection before its answer was complete"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is not HTTP/1.1: {error}"))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._size += len(body)
        if self._size > MAX_BODY_BYTES:
            self._fail(ConnectionError(f"the answer is larger than {MAX_BODY_BYTES:,} bytes"))
            return
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if not self._parser.should_keep_alive():
            self._open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(AsgiResponse(self._parser.get_status_code(), b"".join(self._chunks)))

    def _fail(self, error: Exception) -> None:
        self._open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
