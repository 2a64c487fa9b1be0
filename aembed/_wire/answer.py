"""The answer on a connection, as far as it has arrived.

llhttp, through httptools, reads heads and chunks, as strictly as it can. The checks here are those that a parser cannot
make: that no good answer comes before its request was sent, that its head and the framing of its body end, and that
bytes after its end are not taken for another answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import httptools

from aembed._wire.headers import ReplyHeaders, lookup
from aembed._wire.phases import PhaseTimer

MAX_HEAD_BYTES = 2**16
"""Largest size of heads, interim ones included, and trailers in bytes: twice the largest that nginx sends, and as much
as h11 reads."""
FRAMING_PER_BYTE = 16
"""Bytes of chunk sizes and extensions allowed for each byte of a body. A server that sends every byte as a chunk,
``1 CR LF x CR LF``, needs five; an endless chunk extension needs more."""
HANDED_ON_BYTES = 2**19
"""Bytes of a body that wake its reader: half a millisecond of decoding as base64, two as numbers."""
MAX_REJECTION_BYTES = 2**16
"""Bytes of an error reply that are read: its message comes first."""
BEGINNING = b"HTTP/1."
"""Beginning of a head; llhttp would also accept RTSP, ICE and a textual HTTP/2.0."""


@dataclass(slots=True, eq=False)
class Head:
    """The head of an answer."""

    status: int
    headers: ReplyHeaders = field(repr=False)
    length: int | None
    """Bytes of the body, if the head says so."""

    @property
    def ends_with_connection(self) -> bool:
        """True if the body has no length and no chunks: the end of the connection is its end."""
        return self.length is None and "transfer-encoding" not in self.headers


class AnswerParser:
    """``begin`` an answer, ``feed`` the bytes that come, and look at the attributes; ``take`` its body piece by piece.

    httptools turns what its callbacks raise into an error without a cause, so they only take notes.
    """

    __slots__ = (
        "_codings",
        "_headers",
        "_is_malformed",
        "_parser",
        "_pieces",
        "_taken_bytes",
        "_wakes_at",
        "body_bytes",
        "head",
        "is_complete",
        "keeps_alive",
        "received",
        "timer",
    )

    def __init__(self) -> None:
        self.timer: PhaseTimer | None = None
        """Measures the request under way, for listeners."""
        self._parser = httptools.HttpResponseParser(self)
        self._is_malformed = False
        self.begin()

    def begin(self) -> None:
        """Begin the next answer. None follows a malformed one."""
        self.head: Head | None = None
        self.is_complete = False
        self.body_bytes = 0
        self.received = 0
        """Bytes of the answer so far, head and framing included."""
        self.keeps_alive = False
        """True if the connection may serve another request; set when the answer is complete."""
        self._headers = ReplyHeaders()
        self._codings = 0
        """Headers that name a transfer coding."""
        self._pieces: list[bytes] = []
        self._taken_bytes = 0
        self._wakes_at = HANDED_ON_BYTES

    def feed(self, data: bytes) -> bool:
        """Parse more bytes. False if this is not an answer, or does not end."""
        if self.received < len(BEGINNING) and not self._begins_well(data):
            return False
        self.received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        framing = self.received - self.body_bytes
        return not self._is_malformed and framing <= MAX_HEAD_BYTES + FRAMING_PER_BYTE * self.body_bytes

    @property
    def held(self) -> int:
        """Bytes of the body that have arrived and were not taken."""
        return self.body_bytes - self._taken_bytes

    def has_news(self) -> bool:
        """True if the answer is complete, or enough of its body has arrived to be handed on."""
        return self.is_complete or self.body_bytes >= self._wakes_at

    def is_unsent(self) -> bool:
        """True while a part of the request has not been sent."""
        raise NotImplementedError

    def take(self) -> list[bytes]:
        """Return the part of the body that has arrived, once."""
        pieces, self._pieces = self._pieces, []
        self._taken_bytes = self.body_bytes
        self._wakes_at = self.body_bytes + HANDED_ON_BYTES
        return pieces

    def _begins_well(self, data: bytes) -> bool:
        expected = BEGINNING[self.received : self.received + len(data)]
        return data.startswith(expected)

    def on_message_begin(self) -> None:
        if self.is_complete:  # another answer follows, without a request
            self.keeps_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:  # else it is a trailer
            key = name.decode().lower()
            if key == "transfer-encoding":
                self._codings += 1
            # Values are UTF-8 where they can be, so that errors recognise a text which a server repeats.
            self._headers.setdefault(key, value.decode("utf-8", "surrogateescape"))

    def on_headers_complete(self) -> None:
        if self.is_complete:
            return
        status, headers = self._parser.get_status_code(), self._headers
        if status < 200:
            self._headers, self._codings = ReplyHeaders(), 0
            self._is_malformed |= status < 100 or status == 101  # 101 switches protocols, which was not requested
            return
        if status >= 400:
            self._wakes_at = MAX_REJECTION_BYTES
        elif self.is_unsent():  # an error reply may come early, to a request that is too large or not allowed
            self._is_malformed = True
        if self._codings and not self._is_chunked():
            self._is_malformed = True
        length = lookup(headers, "content-length")
        self.head = Head(status, headers, None if length is None else int(length))
        if self.timer is not None:
            self.timer.end("first_byte")

    def _is_chunked(self) -> bool:
        """Only chunked is allowed: no other coding was requested, and of several llhttp believes the last."""
        return self._codings == 1 and self._headers["transfer-encoding"].lower() == "chunked"

    def on_body(self, piece: bytes) -> None:
        if not self.is_complete:  # otherwise it belongs to another answer after the end of this one
            self._pieces.append(piece)
            self.body_bytes += len(piece)

    def on_message_complete(self) -> None:
        if self.head is not None and not self.is_complete:
            self.is_complete = True
            self.keeps_alive = self._parser.should_keep_alive() and not self.is_unsent()
