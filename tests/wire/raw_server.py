"""A server that speaks in raw bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from aembed._settings.http import HttpSettings
from aembed._wire.http import HttpTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Behave: TypeAlias = Callable[[int, asyncio.StreamWriter], None]
"""Answers, or breaks, request number ``n`` (from 1)."""


@asynccontextmanager
async def served(behave: Behave) -> AsyncGenerator[tuple[HttpTransport, str]]:
    requests = 0
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        talks.add(asyncio.current_task())
        with suppress(ConnectionResetError):  # the client may have heard enough
            while await reader.read(65536):
                requests += 1
                behave(requests, writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    transport = HttpTransport(HttpSettings())
    try:
        yield transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await transport.aclose()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in talks if task))


async def post(transport: HttpTransport, url: str) -> bytes:
    return bytes((await transport.post(url, b"{}", {}, max_bytes=100)).body)


class Collect:
    """A sink that collects the bytes it takes."""

    def __init__(self) -> None:
        self.begun = False
        self.taken: list[bytes] = []

    async def take(self, pieces: list[bytes]) -> None:
        self.begun = True
        self.taken.append(b"".join(pieces))


LONG = b"".join(b"%08d" % number for number in range(300_000))
