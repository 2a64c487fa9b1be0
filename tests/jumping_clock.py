"""A server that answers as scripted, on an event loop whose clock jumps where a script says that time passes.

Real sockets take no virtual time, so :class:`aembed.testing.VirtualTimeLoop` cannot show how long a server took. Here
the loop's time is the machine's plus all jumps: a jump of seconds dwarfs what the machine needs.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio.lowlevel import checkpoint

Script = Sequence[bytes | float]
"""A server's reaction to a request: it sends bytes, or lets seconds pass."""


IDLE_S = 0.01
"""Real seconds without any event after which the loop takes the rest of its wait at once."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.jumped = 1e6  # far from the machine's clock, so that a mix-up of the two shows

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= IDLE_S:
            return super().select(timeout)
        ready: list[Any] = super().select(IDLE_S)
        if not ready:
            self.jumped += timeout - IDLE_S
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time passes as on the machine, at once by ``jump``, and quickly while nothing happens."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.jumped

    def jump(self, seconds: float) -> None:
        """Let so much time pass now."""
        self._jumping.jumped += seconds


def jump(seconds: float) -> None:
    """On the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    loop.jump(seconds)


def vectors(rows: int, dim: int = 2) -> bytes:
    """The body of an OpenAI reply."""
    data = [{"index": i, "embedding": [1.0] + [0.5] * (dim - 1)} for i in range(rows)]
    return json.dumps({"data": data, "usage": {"total_tokens": rows}}).encode()


def head(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """The head of a reply."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines, "", "")).encode()


async def _play(script: Script, writer: asyncio.StreamWriter) -> None:
    for step in script:
        if isinstance(step, bytes):
            writer.write(step)
        else:
            for _ in range(20):  # the client reads the earlier bytes
                await checkpoint()
            jump(step)


@asynccontextmanager
async def scripted(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """A server that answers requests with ``scripts``, in their order and the last one for ever; gives its base URL."""
    left = list(scripts)
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionResetError):  # until the client hangs up
            while True:
                start = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(start.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
                await _play(left.pop(0) if len(left) > 1 else left[0], writer)
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await asyncio.gather(*(task for task in talks if task))
        await server.wait_closed()
