"""One HTTP/1.1 connection: a request goes out, its answer comes in, and nothing else is listened to.

llhttp, through httptools, reads heads and chunks, as strictly as it can. The checks here are of what a parser cannot
know: that an answer was asked for, that it does not come before its request has gone out, that its head and the framing
of its body have an end, and that nothing behind its end is taken for another answer. A connection that fails one of
them is closed.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from aembed._errors import ProviderError
from aembed._wire.connection_errors import broke, no_http, silent
from aembed._wire.headers import ReplyHeaders, lookup
from aembed._wire.phases import PhaseTimer

MAX_HEAD_BYTES = 2**16
"""Heads, interim ones included, and trailers: twice the largest that nginx sends, as much as h11 reads."""
FRAMING_PER_BYTE = 16
"""Bytes of chunk sizes and extensions allowed for each byte of a body. A server that sends every byte as a chunk,
``1 CR LF x CR LF``, needs five; an endless chunk extension needs more."""
HANDED_ON_BYTES = 2**19
"""Bytes of a body that wake its reader: half a millisecond's work as base64, two as numbers."""
MAX_REJECTION_BYTES = 2**16
"""Bytes of a rejection's body that are read: its words come first."""
MAX_HELD_BYTES = 2 * HANDED_ON_BYTES
"""Bytes of a body that wait for a slow reader, before the server is made to wait."""
SLICE_BYTES = 2**18
"""Bytes of a request that are written, and encrypted, in one go: about a fifth of a millisecond."""
BEGINNING = b"HTTP/1."
"""llhttp takes RTSP, ICE and HTTP/2.0 in text for HTTP as well."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer."""

    status: int
    headers: ReplyHeaders = field(repr=False)
    length: int | None
    """Bytes of the body, if the head says so."""
    ends_with_connection: bool
    """The body has no length and no chunks: the end of the connection is its end."""


class Connection(asyncio.Protocol):
    """``start`` a request, ``wait`` for its answer, ``take`` the body; then it can serve the next one."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        *,
        is_tls: bool,
        forget: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._is_tls = is_tls
        self._socket = sock
        self._forget = forget
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._readable = _poller(sock)
        self.is_closed = False
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done when the socket is closed."""
        self.since = 0.0
        """Time on the loop's clock when a byte last came or went, or when the connection became idle."""
        self.requests = 0
        self.timer: PhaseTimer | None = None
        """Measures the request under way, for listeners."""
        self.is_busy = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self.head: Head | None = None
        self.is_complete = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self.held = 0
        self.body_bytes = 0
        self._received = 0
        self._wakes_at = HANDED_ON_BYTES
        self.is_paused = False
        self._is_sending = False
        self._keeps_alive = False
        self._is_malformed = False
        self._failure: ProviderError | None = None
        self._is_lost = False

    # The side of the pool.

    @property
    def is_usable(self) -> bool:
        """True if it is open and has nothing to read: unread bytes are an end of file, or an answer to no request."""
        return not self.is_closed and not self._readable()

    @property
    def can_be_kept(self) -> bool:
        """True after a complete answer that leaves the connection open."""
        return self.is_complete and self._keeps_alive and not self.is_closed and self._failure is None

    @property
    def died_idle(self) -> bool:
        """True if a used connection broke before a byte came back: the server had closed it before the request."""
        return self._is_lost and self.requests > 1 and not self._received

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
        """Close at once, whatever is in flight."""
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
            self._is_lost = True
            self._failure = self._failure or broke(None, in_body=False)
            return
        if self.requests:
            self._reset()
        self.requests += 1
        self.is_busy = True
        self.since = self._loop.time()
        length = len(body)
        if length <= SLICE_BYTES:
            self._transport.write(b"%b%d\r\n\r\n%b" % (head, length, body))
        else:
            self._is_sending = True
            self._transport.write(b"%b%d\r\n\r\n" % (head, length))

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

    async def wait(self) -> None:
        """Wait until the answer is complete, or enough of its body has come to be handed on.

        Raises the :class:`ProviderError` that has ended the connection.
        """
        if self._failure is None and not (self.is_complete or self.held >= self._wakes_at):
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._failure is not None:
            raise self._failure

    def take(self) -> list[bytes]:
        """Return the part of the body that has arrived, once; let a server that was held back continue."""
        pieces, self._pieces = self._pieces, []
        self.held = 0
        if self.is_paused and not self.is_closed:
            self.is_paused = False
            self.since = self._loop.time()
            self._transport.resume_reading()
        return pieces

    # The side of the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        if not self.is_busy:  # nobody has asked
            self._fail(no_http(is_tls=self._is_tls))
            return
        self.since = self._loop.time()
        if self._received < len(BEGINNING) and not self._begins_well(data):
            self._fail(no_http(is_tls=self._is_tls))
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_malformed = True
        framing = self._received - self.body_bytes
        if self._is_malformed or framing > MAX_HEAD_BYTES + FRAMING_PER_BYTE * self.body_bytes:
            self._fail(no_http(is_tls=self._is_tls))
        elif self.is_complete or self.held >= self._wakes_at:
            self._wake()
            if self.held >= MAX_HELD_BYTES and not (self.is_complete or self.is_paused):
                self.is_paused = True
                self._transport.pause_reading()

    def _begins_well(self, data: bytes) -> bool:
        expected = BEGINNING[self._received : self._received + len(data)]
        return data.startswith(expected)

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
            self._is_lost = True
            self._failure = broke(exc, in_body=self.head is not None)
        self._wake()
        self._forget(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self.since = self._loop.time()
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    @property
    def waits_for_server(self) -> bool:
        """True while the next byte is the server's to send."""
        return self.is_busy and not (self.is_complete or self.is_paused)

    def _fail(self, failure: ProviderError) -> None:
        self._failure = failure
        self.abort()
        self._wake()

    def _wake(self) -> None:
        for waiter in (self._waiter, self._drained):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        self._waiter = None

    # The side of the parser. It turns what these raise into an error without a cause, so they only take notes.

    def on_message_begin(self) -> None:
        if self.is_complete:  # another answer behind the end of this one: read by nobody
            self._keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:  # else it is a trailer
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._fields = []
            self._is_malformed |= status < 100 or status == 101  # 101: nobody has asked for another protocol
            return
        headers = ReplyHeaders.of(self._fields)
        encoding, length = lookup(headers, "transfer-encoding"), lookup(headers, "content-length")
        # A rejection may come before the request is sent: it is too large, or not wanted. A good answer may not.
        self._is_malformed |= status < 400 and self._is_unsent
        if status >= 400:
            self._wakes_at = MAX_REJECTION_BYTES
        self._is_malformed |= encoding is not None and not self._is_chunked()
        self.head = Head(
            status,
            headers,
            None if length is None else int(length),
            ends_with_connection=encoding is None and length is None and status not in {204, 304},
        )
        if self.timer is not None:
            self.timer.end("first_byte")

    def _is_chunked(self) -> bool:
        """No other transfer coding was asked for, and of several llhttp believes the last."""
        codings = [value.lower() for name, value in self._fields if name.lower() == b"transfer-encoding"]
        return codings == [b"chunked"]

    @property
    def _is_unsent(self) -> bool:
        return self._is_sending or self._transport.get_write_buffer_size() > 0

    def on_body(self, piece: bytes) -> None:
        if self.is_complete:  # of another answer behind the end of this one
            return
        self._pieces.append(piece)
        self.held += len(piece)
        self.body_bytes += len(piece)

    def on_message_complete(self) -> None:
        if self.head is not None and not self.is_complete:
            self.is_complete = True
            self._keeps_alive = self._parser.should_keep_alive() and not self._is_unsent


def _poller(sock: socket.socket) -> Callable[[], object]:
    """A function that returns true if bytes or an end of file can be read.

    ``poll`` takes half a microsecond, and unlike ``select`` any file descriptor.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([sock], [], [], 0)[0]
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return lambda: poller.poll(0)
