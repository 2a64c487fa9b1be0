"""One HTTP/1.1 connection: a request goes out, its answer comes in, and nothing else is listened to.

A connection that breaks a rule is closed: the parser's, or those of ``answer``, or that no byte comes unasked.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import cast

from aembed._errors import ProviderError
from aembed._wire.answer import HANDED_ON_BYTES, AnswerParser
from aembed._wire.connection_errors import broke, no_http, silent
from aembed._wire.outbox import Outbox

MAX_HELD_BYTES = 2 * HANDED_ON_BYTES
"""Bytes of a body that wait for a slow reader, before the server is made to wait."""
SLICE_BYTES = 2**18
"""Bytes of a request that are written, and encrypted, in one go: about a fifth of a millisecond."""


class Connection(AnswerParser, asyncio.Protocol):
    """``start`` a request, ``wait`` for its answer, ``take`` the body; then it can serve the next one."""

    # More attributes than instances of a class can share the names of: without slots each has a dictionary.
    __slots__ = (
        "_drained",
        "_failure",
        "_forget",
        "_is_lost",
        "_is_sending",
        "_is_tls",
        "_loop",
        "_outbox",
        "_readable",
        "_request",
        "_socket",
        "_transport",
        "_waiter",
        "gone",
        "is_busy",
        "is_closed",
        "is_paused",
        "requests",
        "since",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        outbox: Outbox,
        *,
        is_tls: bool,
        forget: Callable[[Connection], None],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._is_tls = is_tls
        self._socket = sock
        self._outbox = outbox
        self._forget = forget
        self._transport: asyncio.Transport
        self._readable = _poller(sock)
        self.is_closed = False
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the socket is closed."""
        self.since = loop.time()
        """Time on the loop's clock when a byte last came or went, or when the connection became idle."""
        self.requests = 0
        self.is_busy = False
        self.is_paused = False
        """The server is made to wait for a slow reader."""
        self._request = b""
        """A request that waits in the outbox."""
        self._is_sending = False
        """A part of the request is still to be written."""
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._failure: ProviderError | None = None

    # The side of the pool.

    @property
    def is_usable(self) -> bool:
        """True if it is open and has nothing to read: unread bytes are an end of file, or an answer to no request."""
        return not self.is_closed and not self._readable()

    @property
    def can_be_kept(self) -> bool:
        """True after a complete answer that leaves the connection open."""
        return self.is_complete and self.keeps_alive and not self.is_closed and self._failure is None

    @property
    def died_idle(self) -> bool:
        """True if a used connection that broke got no byte back: the server had closed it before the request."""
        return self.requests > 1 and not self.received

    @property
    def waits_for_server(self) -> bool:
        """True while the next byte is the server's to send."""
        return self.is_busy and not (self.is_complete or self.is_paused)

    def rest(self) -> None:
        """Become idle: the answer has been read."""
        self.is_busy = False
        self.since = self._loop.time()

    def expire(self) -> None:
        """Fail the request: the server was silent for too long."""
        self._fail(silent())

    def close(self) -> None:
        """Close at once. Over TLS a close_notify is sent, and none is awaited: RFC 8446 section 6.1."""
        if not self.is_closed:
            self._transport.close()
        self.abort()

    def abort(self) -> None:
        """Close at once, even with a request in flight."""
        self.is_closed = True
        self._transport.abort()

    def close_socket(self) -> None:
        """Close the socket of a loop that is closed: its transports can no longer do it."""
        self.is_closed = True
        self._socket.close()

    # The side of a request.

    def start(self, head: bytes, body: bytes) -> None:
        """Send a request, or only the head of one with a long body: ``send_body`` sends the rest.

        ``head`` ends before the value of Content-Length.
        """
        if self.is_closed:  # the server has closed it, or spoken first, since it was dialled
            self._failure = self._failure or broke(None, in_body=False)
            return
        if self.requests:
            self.begin()
        self.requests += 1
        self.is_busy = True
        self.since = self._loop.time()
        self._is_sending = True
        length = len(body)
        if length <= SLICE_BYTES:
            self._request = b"%b%d\r\n\r\n%b" % (head, length, body)
            self._outbox.put(self._write)
        else:
            self._transport.write(b"%b%d\r\n\r\n" % (head, length))

    def _write(self) -> None:
        """Write a whole request, unless the connection was closed meanwhile: its caller has been, or will be, woken."""
        request, self._request = self._request, b""
        if not self._transport.is_closing():
            self._transport.write(request)
            self._is_sending = False

    async def send_body(self, body: bytes) -> None:
        """Send a long body slice by slice, at the server's pace. An early answer stops it."""
        view = memoryview(body)
        for start in range(0, len(body), SLICE_BYTES):
            self._transport.write(view[start : start + SLICE_BYTES])
            self.since = self._loop.time()
            if self._drained is not None:
                await self._drained
            else:
                await asyncio.sleep(0)
            if self.head is not None or self.is_closed:
                return
        self._is_sending = False

    def wait(self) -> asyncio.Future[None]:
        """Done once the answer is complete, or enough of its body has come to be handed on.

        It raises the :class:`ProviderError` that has ended the connection.
        """
        waiter = self._waiter = self._loop.create_future()
        if self.has_news() or self._failure is not None:
            self._wake()
        return waiter

    def take(self) -> list[bytes]:
        """Return the part of the body that has arrived, once; let a server that was held back continue."""
        if self.is_paused and not self.is_closed:
            self.is_paused = False
            self.since = self._loop.time()
            self._transport.resume_reading()
        return super().take()

    def is_unsent(self) -> bool:
        return self._is_sending or self._transport.get_write_buffer_size() > 0

    # The side of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        if not self.is_busy or not self.feed(data):
            self._fail(no_http(is_tls=self._is_tls))
            return
        self.since = self._loop.time()
        if self.has_news():
            self._wake()
            if not (self.is_complete or self.is_paused) and self.held >= MAX_HELD_BYTES:
                self.is_paused = True
                self._transport.pause_reading()

    def eof_received(self) -> None:
        if self.is_busy and self.head is not None and self.head.ends_with_connection:
            self.is_complete = True
        self.is_closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self.is_busy and self.head is not None and self.head.status >= 400:
            self.is_complete = (
                True  # its status counts, and a server that rejects a request often resets the connection
            )
        if self.is_busy and not self.is_complete and self._failure is None:
            self._failure = broke(exc, in_body=self.head is not None)
        self._wake()
        self._forget(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self.since = self._loop.time()
        self._continue_sending()

    def _continue_sending(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _fail(self, failure: ProviderError) -> None:
        self._failure = failure
        self.abort()
        self._wake()

    def _wake(self) -> None:
        """Let the request continue: its answer is there, or will not come."""
        if self._drained is not None:
            self._continue_sending()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            if self._failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(self._failure)


def _poller(sock: socket.socket) -> Callable[[], object]:
    """A function that returns true if bytes or an end of file can be read.

    ``poll`` takes half a microsecond, and unlike ``select`` any file descriptor.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([sock], [], [], 0)[0]
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return partial(poller.poll, 0)
