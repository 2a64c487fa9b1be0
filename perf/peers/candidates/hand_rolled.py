"""The limit: an asyncio protocol that knows this one server. One buffer a connection, base64 straight into rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import orjson

from perf.peers.candidates.batches import Rows, alone, in_batches
from perf.peers.candidates.scan import decode

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


class Connection(asyncio.BufferedProtocol):
    """One request at a time. The reply stays in ``buffer`` until the next one."""

    def __init__(self) -> None:
        self.buffer = bytearray(2**16)
        self._view = memoryview(self.buffer)
        self._filled = self._body = self._end = 0
        self._reply: asyncio.Future[bytearray]
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "_reply") and not self._reply.done():
            self._reply.set_exception(ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> bytearray:
        self._filled = self._end = 0
        self._reply = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._reply

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if not self._end and not self._read_head():
            return
        if self._filled >= self._end:
            self._reply.set_result(self.buffer)

    def _read_head(self) -> bool:
        self._body = self.buffer.find(END_OF_HEAD, 0, self._filled) + len(END_OF_HEAD)
        if self._body < len(END_OF_HEAD):
            return False
        assert self.buffer.startswith(b"HTTP/1.1 200")
        start = self.buffer.index(LENGTH) + len(LENGTH)
        self._end = self._body + int(self.buffer[start : self.buffer.index(b"\r", start)])
        if self._end >= len(self.buffer):  # one byte more: a loop may look for more, and no room means hanging up
            grown = bytearray(self._end + 1)
            grown[: self._filled] = self._view[: self._filled]
            self.buffer, self._view = grown, memoryview(grown)
        return True


class Client:
    """A pool, last in first out, without a limit."""

    def __init__(self, host: str, port: int, path: str, in_flight: int) -> None:
        self._address, self._free = (host, port), list[Connection]()
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n".encode()
        self.in_flight = in_flight

    async def embed(self, texts: Sequence[str], rows: Rows) -> None:
        body = orjson.dumps({"model": "m", "input": texts, "encoding_format": "base64"})
        connection = self._free.pop() if self._free else await self._connect()
        reply = await connection.ask(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))
        decode(reply, rows)
        self._free.append(connection)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, *self._address)
        return connection

    def close(self) -> None:
        for connection in self._free:
            connection.transport.close()


@asynccontextmanager
async def opened(base_url: str, in_flight: int) -> AsyncGenerator[Client]:
    url = urlsplit(base_url)
    client = Client(url.hostname or "", url.port or 80, f"{url.path}/embeddings", in_flight)
    yield client
    client.close()


async def query(client: Client, text: str) -> Rows:
    return await alone(text, client.embed)


async def documents(client: Client, texts: Sequence[str]) -> Rows:
    return await in_batches(texts, client.in_flight, client.embed)
