"""CONNECT: a tunnel through a proxy to a server that speaks TLS. RFC 9110 section 9.3.6."""

from __future__ import annotations

import asyncio

import httptools

from aembed._errors import ConnectError, ProviderError
from aembed._wire.answer import BEGINNING, MAX_HEAD_BYTES
from aembed._wire.connection_errors import no_http_of_proxy, rejected_by_proxy
from aembed._wire.route import USER_AGENT, Origin, Proxy

END_OF_HEAD = b"\r\n\r\n"


class Tunnel(asyncio.Protocol):
    """Asks the proxy for a tunnel. When it is there, TLS takes over the transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._answered: asyncio.Future[None] = loop.create_future()
        self._received = b""
        self._status = 0
        self._reason = b""
        self._failure: ProviderError | None = None

    async def open(self, transport: asyncio.WriteTransport, origin: Origin, proxy: Proxy) -> None:
        """Raises :class:`ConnectError` if the proxy does not connect, :class:`ReplyError` if it speaks no HTTP."""
        transport.write(_request(origin, proxy))
        await self._answered
        if self._failure is not None:
            raise self._failure
        if self._status >= 300:
            raise rejected_by_proxy(self._status, self._reason.decode("utf-8", "replace"), origin.host)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while not self._status and END_OF_HEAD in self._received:
            head, _, self._received = self._received.partition(END_OF_HEAD)
            parser = httptools.HttpResponseParser(self)
            try:
                parser.feed_data(head + END_OF_HEAD)
                status = parser.get_status_code() if head.startswith(BEGINNING) else 0
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                status = 0
            if status < 100:
                self._end(no_http_of_proxy())
                return
            self._status = status if status >= 200 else 0
        # Bytes after a 200 are a server that speaks before TLS begins, or a proxy that injects: neither may enter TLS.
        if len(self._received) > MAX_HEAD_BYTES or (200 <= self._status < 300 and self._received):
            self._end(no_http_of_proxy())
        elif self._status:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():  # a proxy may reject the request and hang up at once
            self._end(ConnectError("the proxy closed the connection before it had answered; check http.proxy"))

    def on_status(self, reason: bytes) -> None:
        self._reason = reason

    def _end(self, failure: ProviderError | None = None) -> None:
        if failure is not None and self._failure is None:
            self._failure = failure
        if not self._answered.done():
            self._answered.set_result(None)


def _request(origin: Origin, proxy: Proxy) -> bytes:
    authority = f"{origin.authority}:{origin.port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: {USER_AGENT}"]
    if proxy.authorization is not None:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join((*lines, "", "")).encode()
