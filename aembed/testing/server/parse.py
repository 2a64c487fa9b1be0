"""Bytes -> HTTP/1.1 requests, as far as embedding clients use it. Pure: no sockets, no clock.

Source: RFC 9112. Bodies have a length or come in chunks; requests may arrive in any pieces, or several at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of request line and headers."""


class Malformed(Exception):  # noqa: N818  # a reply to the client, no failure of the server
    """No valid request: it is answered with ``status``, and the connection is closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Request line and headers; names are in lower case. ``length`` is ``None`` for a body in chunks."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    length: int | None
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class Request:
    head: RequestHead
    body: bytes


class Parser:
    """Takes bytes as they arrive, and gives whole requests, in order."""

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._head: RequestHead | None = None
        self._chunks = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes that were fed and are not part of a request yet."""
        return len(self._buffer)

    @property
    def waits_for_body(self) -> RequestHead | None:
        """The head of a request whose body is not here yet."""
        return self._head

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request; ``None`` until more is fed. Raises :class:`Malformed`."""
        head = self._head or self._read_head()
        if head is None:
            return None
        body = self._read_chunks() if head.length is None else self._read_length(head.length)
        if body is None:
            return None
        self._head = None
        return Request(head, body)

    def _read_head(self) -> RequestHead | None:
        while self._buffer.startswith(b"\r\n"):  # RFC 9112 2.2: a blank line before the request is allowed
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise Malformed(431, "the headers are too long")
            return None
        head = _parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        if head.length is not None and head.length > self._max_body:
            raise Malformed(413, f"a body of {head.length} bytes is too large; at most {self._max_body}")
        self._head = head
        return head

    def _read_length(self, length: int) -> bytes | None:
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _read_chunks(self) -> bytes | None:
        """All chunks up to the last one and the trailers after it."""
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return None
            size = _chunk_size(bytes(self._buffer[:end]))
            if size == 0:
                return self._read_trailers(end)
            if len(self._chunks) + size > self._max_body:
                raise Malformed(413, f"the body is too large; at most {self._max_body} bytes")
            start, stop = end + 2, end + 2 + size
            if len(self._buffer) < stop + 2:
                return None
            if self._buffer[stop : stop + 2] != b"\r\n":
                raise Malformed(400, "a chunk is not as long as it says")
            self._chunks += self._buffer[start:stop]
            del self._buffer[: stop + 2]

    def _read_trailers(self, end: int) -> bytes | None:
        if self._buffer[end + 2 : end + 4] == b"\r\n":
            stop = end + 4
        else:
            stop = self._buffer.find(b"\r\n\r\n", end + 2) + 4
            if stop == 3:
                return None
        del self._buffer[:stop]
        body = bytes(self._chunks)
        self._chunks.clear()
        return body


@lru_cache(maxsize=4096)  # a client's heads are all alike
def _parse_head(head: bytes) -> RequestHead:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in {"HTTP/1.1", "HTTP/1.0"}:
        raise Malformed(400, "the first line is not an HTTP/1.1 request")
    method, target, version = parts
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(400, "a header has no name or no colon")
        name = name.lower()
        if name in headers and name in {"content-length", "transfer-encoding"}:
            raise Malformed(400, f"{name} is given twice")
        headers[name] = value.strip()
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    return RequestHead(method, path, query, headers, _length(headers), keep_alive)


def _length(headers: Mapping[str, str]) -> int | None:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise Malformed(400, "transfer-encoding must be chunked, and without content-length")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise Malformed(400, "content-length is not a number")
    return int(length)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(b"0123456789abcdefABCDEF") or len(digits) > 12:
        raise Malformed(400, "a chunk does not start with its size")
    return int(digits, 16)
