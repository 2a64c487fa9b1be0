"""A real HTTP server on this machine that answers like an embedding provider, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType

import msgspec

from aembed.testing.quotas import Quota
from aembed.testing.server.desk import Desk, Response, Script
from aembed.testing.server.dialects import DIALECTS, Caps
from aembed.testing.server.hints import Hints
from aembed.testing.server.http import Connection
from aembed.testing.server.latency import Capacity, Latency
from aembed.testing.server.log import GONE, Counters, Entry
from aembed.testing.server.parse import Malformed, Request
from aembed.testing.server.quirks import Quirks
from aembed.testing.server.render import render


class LoopbackServer:
    """Speaks one provider's ``dialect`` on a local port, from ``async with`` or ``start`` until ``aclose``.

        async with LoopbackServer("cohere", dim=1024, api_key="k", latency=0.05) as server:
            ...  # base_url=server.base_url; afterwards server.log and server.counters

    Vectors are those of the mock provider, of ``dim`` components unless the request asks for another number.
    ``latency`` is in seconds, constant or a :class:`Latency`. Everything random comes from ``seed``.
    """

    def __init__(
        self,
        dialect: str = "openai",
        *,
        dim: int = 1536,
        api_key: str | None = None,
        models: Collection[str] | None = None,
        caps: Caps | None = None,
        latency: Latency | float = 0.0,
        capacity: Capacity | None = None,
        quota: Quota | None = None,
        hints: Hints | None = None,
        quirks: Quirks | None = None,
        characters_per_token: float = 4.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        max_body: int = 64 * 2**20,
        max_log: int | None = 100_000,
        cache_bytes: int = 2**29,
    ) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"no dialect is called {dialect!r}; there are {', '.join(DIALECTS)}")
        self.dialect = dialect
        self.script = Script(
            dim=dim,
            api_key=api_key,
            models=models,
            caps=caps,
            latency=latency if isinstance(latency, Latency) else Latency(median=latency),
            capacity=capacity,
            quota=quota or Quota(),
            hints=hints or Hints(),
            quirks=quirks or Quirks(),
            characters_per_token=characters_per_token,
            seed=seed,
        )
        self.log: deque[Entry] = deque(maxlen=max_log)
        """The latest requests, in the order of their answers."""
        self.counters = Counters()
        self.max_body = max_body
        self._desk = Desk(DIALECTS[dialect], self.script, cache_bytes=cache_bytes)
        self._address = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, int] = {}
        self._waiting: dict[Connection, tuple[_Exchange, asyncio.TimerHandle]] = {}
        self._all_closed = asyncio.Event()
        self._date_until, self._date_header = -math.inf, ""
        self._loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client of this dialect is given as ``base_url``."""
        return self.url + DIALECTS[self.dialect].base

    def __repr__(self) -> str:
        state = self.base_url if self._server is not None else "not running"
        return f"<LoopbackServer {self.dialect} {state}, {self.counters.requests} requests>"

    async def start(self) -> None:
        """Listen. ``port`` is the one the system chose, if it was 0."""
        self._loop = asyncio.get_running_loop()
        host, port = self._address
        self._server = await self._loop.create_server(lambda: Connection(self), host, port, ssl=self._tls, backlog=1024)
        self._address = (host, self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and drop all connections; requests in flight stay unanswered."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            connection.transport.abort()
        while self._connections:
            self._all_closed.clear()
            await self._all_closed.wait()
        await server.wait_closed()

    async def __aenter__(self) -> LoopbackServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # What connections call.

    def opened(self, connection: Connection) -> None:
        counters = self.counters
        counters.connections += 1
        counters.connections_opened += 1
        self._connections[connection] = counters.connections_opened
        counters.requests_per_connection[counters.connections_opened] = 0
        if self._server is None:  # accepted while we were closing
            connection.transport.abort()

    def received(self, connection: Connection, request: Request) -> None:
        counters = self.counters
        counters.requests += 1
        counters.in_flight += 1
        counters.max_in_flight = max(counters.max_in_flight, counters.in_flight)
        counters.requests_per_connection[self._connections[connection]] += 1
        now = self._loop.time()
        response = self._desk.answer(request, counters.requests, now)
        exchange = _Exchange(connection, request, response, counters.requests, now)
        if response.delay > 0:
            self._waiting[connection] = (exchange, self._loop.call_at(now + response.delay, self._answer, exchange))
        else:
            self._answer(exchange)

    def malformed(self, connection: Connection, error: Malformed) -> None:
        now = self._loop.time()
        number = self._connections[connection]
        self._note(Entry("", "", (), number, 0, 0, error.status, now, now, reason=f"malformed: {error}"))
        response = Response(error.status, {}, [msgspec.json.encode({"error": str(error)})])
        connection.answer(render(response, self._date(now), None, keep_alive=False), keep_alive=False)

    def closed(self, connection: Connection) -> None:
        if connection in self._waiting:
            exchange, timer = self._waiting.pop(connection)
            timer.cancel()
            self._finish(exchange, GONE)
        self.counters.connections -= 1
        del self._connections[connection]
        self._all_closed.set()

    def _answer(self, exchange: _Exchange) -> None:
        self._waiting.pop(exchange.connection, None)
        self._finish(exchange, exchange.response.status)
        keep_alive = exchange.request.head.keep_alive
        request_id = f"{DIALECTS[self.dialect].request_id}: req-{exchange.number:08}"
        pieces = render(exchange.response, self._date(exchange.received), request_id, keep_alive=keep_alive)
        exchange.connection.answer(pieces, keep_alive=keep_alive)

    def _finish(self, exchange: _Exchange, status: int) -> None:
        response, head = exchange.response, exchange.request.head
        self.counters.in_flight -= 1
        if status == 200:
            self.counters.inputs += response.inputs
            self.counters.tokens += response.tokens
        self._note(
            Entry(
                head.method,
                head.path,
                tuple(head.headers),
                self._connections[exchange.connection],
                response.inputs,
                response.tokens,
                status,
                exchange.received,
                self._loop.time(),
                response.reason,
            )
        )

    def _note(self, entry: Entry) -> None:
        self.counters.statuses[entry.status] = self.counters.statuses.get(entry.status, 0) + 1
        self.log.append(entry)

    def _date(self, now: float) -> str:
        """The Date header, made anew every second at most."""
        if now >= self._date_until:
            self._date_until, self._date_header = now + 1.0, self.script.hints.date()
        return self._date_header


@dataclass(frozen=True, slots=True)
class _Exchange:
    connection: Connection
    request: Request
    response: Response
    number: int
    received: float
