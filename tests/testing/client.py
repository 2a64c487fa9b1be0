"""A client that writes bytes and reads answers: what the server's tests say, nothing else stands between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aembed.testing import LoopbackServer


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(path: str, body: Any, headers: Mapping[str, str] | None = None, *, method: str = "POST") -> bytes:
    """A whole request; ``body`` is bytes, or made JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, path: str, body: Any, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        self.writer.write(request(path, body, headers, **more))
        return await self.read()

    async def embed(self, *texts: str, **fields: Any) -> Answer:
        """The openai way."""
        return await self.ask("/v1/embeddings", {"model": "m", "input": list(texts), **fields})

    async def read(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)


@asynccontextmanager
async def connected(server: LoopbackServer) -> AsyncGenerator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**24)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
