"""An ASGI application called in the loop that is measured: its handlers without a server or a socket.

The status must be 2xx or 3xx: a fast error page is not an answer. Lifespan events are sent once, as by a server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from aembed import InputError

Message: TypeAlias = MutableMapping[str, Any]
Application: TypeAlias = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
HOST = b"bench.invalid"


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """The answer of one request."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, such as "GET /users/7?fields=name"."""

    method: str
    path: str
    query: str
    body: bytes = b""

    @classmethod
    def of(cls, text: str, body: str = "") -> HttpRequest:
        """Reads ``METHOD PATH`` or ``PATH``; InputError for anything else."""
        match = re.fullmatch(r"\s*(?:([A-Z]+)\s+)?(/\S*)\s*", text)
        if match is None:
            raise InputError(f"{text!r} is not a request; write 'GET /hello?n=3'")
        parts = urlsplit(match[2])
        return cls(match[1] or ("POST" if body else "GET"), parts.path, parts.query, body.encode())

    def scope(self) -> Message:
        """The HTTP scope of ASGI 3.0."""
        headers = [(b"host", HOST), (b"accept", b"*/*"), (b"user-agent", b"aembed-bench")]
        if self.body:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(self.path),
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": (HOST.decode(), 80),
            "state": {},
        }


async def ask(application: Application, request: HttpRequest) -> AsgiResponse:
    """Call ``application`` with one request, and collect its answer."""
    status, chunks, sent = 0, [], False
    disconnected = asyncio.Event()

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": request.body, "more_body": False}
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = int(message["status"])
        elif message["type"] == "http.response.body":
            chunks.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                disconnected.set()

    await application(request.scope(), receive, send)
    return AsgiResponse(status, b"".join(chunks))


def good_status(response: AsgiResponse) -> str | None:
    """The problem with a response that is not an answer."""
    return None if 200 <= response.status < 400 else f"HTTP status {response.status}"


@asynccontextmanager
async def lifespan(application: Application) -> AsyncGenerator[None]:
    """Start the application and shut it down, as a server does; one without lifespan events has none to send.

    Raises InputError where it fails to start.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message | None] = asyncio.Queue()

    async def run() -> None:
        try:
            await application({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
        finally:
            await outbox.put(None)

    task = asyncio.create_task(run())
    await inbox.put({"type": "lifespan.startup"})
    try:
        answer = await outbox.get()
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise InputError(f"the application failed to start: {answer.get('message') or 'it gives no reason'}")
        supported = answer is not None
        yield
        if supported:
            await inbox.put({"type": "lifespan.shutdown"})
            await outbox.get()
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # an application without lifespan events may raise, which servers ignore
