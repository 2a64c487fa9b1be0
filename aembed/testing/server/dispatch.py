"""Requests and their answers between connections and the request handler: due times, counts and the log."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

import msgspec

from aembed.testing.faults import Answer, Fault, Script, Stage, Status
from aembed.testing.server.fault_player import FaultQueue
from aembed.testing.server.hints import Hints
from aembed.testing.server.http import ServerConnection
from aembed.testing.server.log import GONE, Counters, Entry, Log
from aembed.testing.server.parse import Malformed, Request
from aembed.testing.server.render import answer, render
from aembed.testing.server.request_handler import PlannedResponse, RequestHandler

NOTHING = Answer(0, {}, b"")
"""The answer that a fault spoils before any request is here."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the answer it will get. ``number`` counts all requests, from 1."""

    connection: ServerConnection
    request: Request
    response: PlannedResponse
    number: int
    received: float
    fault: Fault | None


class Dispatcher:
    """The interface that :class:`ServerConnection` calls. Its clock is the running loop's."""

    def __init__(
        self,
        handler: RequestHandler,
        hints: Hints,
        request_id: str,
        faults: Script,
        *,
        max_body: int,
        max_log: int | None,
        log_bodies: bool = False,
        log_headers: bool = False,
    ) -> None:
        self.max_body = max_body
        self.log = Log(max_log)
        self._log_bodies, self._log_headers = log_bodies, log_headers
        self.counters = Counters()
        self.accepting = False
        self._handler = handler
        self._hints = hints
        self._request_id = request_id
        self._faults = FaultQueue(faults)
        self._connections: dict[ServerConnection, int] = {}
        self._waiting: dict[ServerConnection, tuple[Exchange, asyncio.TimerHandle]] = {}
        self._one_closed = asyncio.Event()
        self._date, self._date_until = "", -math.inf

    async def drop_all(self) -> None:
        """Abort all connections, and return when they are gone."""
        self.accepting = False
        while self._connections:
            for connection in list(self._connections):
                connection.transport.abort()
            self._one_closed.clear()
            await self._one_closed.wait()

    def opened(self, connection: ServerConnection) -> None:
        counters = self.counters
        counters.connections += 1
        counters.connections_opened += 1
        self._connections[connection] = counters.connections_opened
        counters.requests_per_connection[counters.connections_opened] = 0
        if not self.accepting:  # the socket was accepted just before it was closed
            connection.transport.abort()
            return
        self._spoil(connection, "accept")

    def begun(self, connection: ServerConnection) -> None:
        self._spoil(connection, "request")

    def _spoil(self, connection: ServerConnection, at: Stage) -> None:
        """Play a fault that comes before a whole request, if it is its turn."""
        fault = self._faults.take(at)
        if fault is not None:
            now = asyncio.get_running_loop().time()
            self.counters.faults += 1
            self._note(Entry("", "", (), self._connections[connection], 0, 0, 0, now, now, f"fault: {fault}"))
            connection.play(fault.play(NOTHING), keep_alive=False)

    def received(self, connection: ServerConnection, request: Request) -> None:
        counters = self.counters
        counters.requests += 1
        counters.in_flight += 1
        counters.max_in_flight = max(counters.max_in_flight, counters.in_flight)
        counters.requests_per_connection[self._connections[connection]] += 1
        loop = asyncio.get_running_loop()
        now = loop.time()
        response = self._handler.answer(request, counters.requests, now)
        exchange = Exchange(connection, request, response, counters.requests, now, self._faults.take())
        if response.delay > 0:
            self._waiting[connection] = (exchange, loop.call_at(now + response.delay, self._answer, exchange))
        else:
            self._answer(exchange)

    def malformed(self, connection: ServerConnection, error: Malformed) -> None:
        now = asyncio.get_running_loop().time()
        number = self._connections[connection]
        self._note(Entry("", "", (), number, 0, 0, error.status, now, now, reason=f"malformed: {error}"))
        response = PlannedResponse(error.status, {}, [msgspec.json.encode({"error": str(error)})])
        connection.answer(render(response, self._now(now), None, keep_alive=False), keep_alive=False)

    def closed(self, connection: ServerConnection) -> None:
        if connection in self._waiting:
            exchange, timer = self._waiting.pop(connection)
            timer.cancel()
            self._finish(exchange, GONE)
        self.counters.connections -= 1
        del self._connections[connection]
        self._one_closed.set()

    def _answer(self, exchange: Exchange) -> None:
        self._waiting.pop(exchange.connection, None)
        response, fault = exchange.response, exchange.fault
        keep_alive = exchange.request.head.keep_alive
        date, request_id = self._now(exchange.received), f"req-{exchange.number:08}"
        if fault is None:
            self._finish(exchange, response.status)
            pieces = render(response, date, f"{self._request_id}: {request_id}", keep_alive=keep_alive)
            exchange.connection.answer(pieces, keep_alive=keep_alive)
            return
        self.counters.faults += 1
        response.reason = f"fault: {fault}"
        self._finish(exchange, fault.code if isinstance(fault, Status) else response.status)
        good = answer(response, {"date": date, self._request_id: request_id}, keep_alive=keep_alive)
        exchange.connection.play(fault.play(good), keep_alive=keep_alive)

    def _finish(self, exchange: Exchange, status: int) -> None:
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
                asyncio.get_running_loop().time(),
                response.reason,
                bytes(exchange.request.body) if self._log_bodies else None,
                dict(head.headers) if self._log_headers else None,
            )
        )

    def _note(self, entry: Entry) -> None:
        self.counters.statuses[entry.status] = self.counters.statuses.get(entry.status, 0) + 1
        self.log.append(entry)

    def _now(self, now: float) -> str:
        """The Date header, made anew every second at most."""
        if now >= self._date_until:
            self._date, self._date_until = self._hints.date(), now + 1.0
        return self._date
