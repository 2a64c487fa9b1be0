"""The bytes of an answer, inflated, and never more of them than the cap.

A traceback may show local variables: where errors are raised here, none holds what the server said.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import anyio.lowlevel

from aembed._errors import ConnectError, ReplyError
from aembed._wire.answer import HANDED_ON_BYTES, MAX_REJECTION_BYTES, Head
from aembed._wire.api_errors import request_id
from aembed._wire.connection import Connection
from aembed._wire.connection_errors import redirected, rejected_by_proxy
from aembed._wire.headers import lookup
from aembed._wire.transport import BodySink, Response

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
"""zlib's flag that finds out which header there is: a server may name one and send the other."""
ENCODINGS = {"identity", "gzip", "x-gzip", "deflate", "br", "compress", "zstd"}
"""https://www.iana.org/assignments/http-parameters, content codings; other names are not repeated."""


def read_at_once(connection: Connection, max_bytes: int) -> Response | None:
    """The usual answer, which has arrived whole and is not compressed; ``None`` for any other."""
    head = connection.head
    if head is None or head.status >= 300 or not connection.is_complete:
        return None
    if connection.held >= HANDED_ON_BYTES or connection.body_bytes > max_bytes or _encoding(head) != "identity":
        return None
    body = b"".join(connection.take())
    if connection.timer is not None:
        connection.timer.end("body")
    return Response(head.status, head.headers, body)


async def read_answer(connection: Connection, max_bytes: int, sink: BodySink | None) -> Response:
    """An answer that has begun to arrive. Its body lacks the beginning that ``sink`` has taken.

    Raises:
        ReplyError: the answer is not HTTP, has more than ``max_bytes``, or an encoding that was not requested.
        ConnectError: the connection breaks, or the compressed body ends too early.
        BadRequestError: a redirect.
    """
    head = connection.head
    assert head is not None, "the parser gives no body before the head"
    if head.status >= 300:
        return Response(head.status, head.headers, _rejection(connection, head))
    if head.length is not None and head.length > max_bytes:
        raise _too_large(head, max_bytes)
    encoding = _encoding(head)
    if encoding == "identity":
        body = await _read(connection, head, max_bytes, sink)
    elif encoding in {"gzip", "x-gzip", "deflate"}:
        body = await _inflate(connection, head, max_bytes, sink)
    else:
        raise ReplyError(f"the answer is encoded as {encoding}, which was not asked for", **_known(head))
    if connection.timer is not None:
        connection.timer.end("body")
    return Response(head.status, head.headers, body)


async def _read(connection: Connection, head: Head, max_bytes: int, sink: BodySink | None) -> bytes:
    """The bytes of a body, as they arrive."""
    pieces: list[bytes] = []
    while True:
        is_last, held = connection.is_complete, connection.held
        pieces += connection.take()
        if connection.body_bytes > max_bytes:
            pieces = []
            raise _too_large(head, max_bytes)
        if sink is not None and held >= HANDED_ON_BYTES:
            await sink.take(pieces)
            pieces = []
        if is_last:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        await connection.wait()


def _rejection(connection: Connection, head: Head) -> bytes:
    """The readable beginning of an error body. The status counts, so that an unreadable body must not hide it."""
    if head.status < 400:
        raise redirected(head.headers.get("location", ""), head.status)
    if head.status == 407:
        raise rejected_by_proxy(head.status, "", None)
    body = b"".join(connection.take())
    if _encoding(head) == "identity":
        return body[:MAX_REJECTION_BYTES]
    try:
        return zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, MAX_REJECTION_BYTES)
    except zlib.error:
        return b""


async def _inflate(connection: Connection, head: Head, max_bytes: int, sink: BodySink | None) -> bytes:
    """A compressed body. The cap counts inflated bytes, and those they are inflated from, which may come to nothing."""
    inflate, left = zlib.decompressobj(GZIP_OR_ZLIB), max_bytes
    pieces: list[bytes] = []
    held = 0
    while True:
        is_last = connection.is_complete
        for raw in connection.take():
            for piece in _inflated(raw, inflate, head):
                left -= len(piece)
                if left < 0 or connection.body_bytes > max_bytes:
                    pieces, raw, piece = [], b"", b""  # noqa: PLW2901
                    raise _too_large(head, max_bytes)
                pieces.append(piece)
                held += len(piece)
                if sink is not None and held >= HANDED_ON_BYTES:
                    await sink.take(pieces)
                    pieces, held = [], 0
                elif len(piece) == HANDED_ON_BYTES:
                    await anyio.lowlevel.checkpoint()  # some kilobytes may become gigabytes
        if is_last:
            break
        await connection.wait()
    if not inflate.eof:
        pieces, raw, piece = [], b"", b""
        raise ConnectError("the compressed answer breaks off", maybe_billed=True, **_known(head))
    return b"".join(pieces)


def _inflated(raw: bytes, inflate: zlib._Decompress, head: Head) -> Iterator[bytes]:
    """The next bytes of the body, decompressed, a little at a time."""
    while raw:
        wrong = "has bytes after its end" if inflate.eof else ""
        piece = b""
        try:
            piece = b"" if wrong else inflate.decompress(raw, HANDED_ON_BYTES)
        except zlib.error:
            wrong = "is damaged"
        if wrong:
            raw = b""
            raise ReplyError(f"the compressed answer {wrong}", **_known(head))
        yield piece
        raw = inflate.unconsumed_tail or inflate.unused_data


def _encoding(head: Head) -> str:
    """The name of its encoding, if it is one of ``ENCODINGS``."""
    name = lookup(head.headers, "content-encoding")
    if name is None:
        return "identity"
    return name.lower() if name.lower() in ENCODINGS else "something unknown"


def _known(head: Head) -> dict[str, Any]:
    """The facts that an error carries."""
    return {"status": head.status, "request_id": request_id(head.headers)}


def _too_large(head: Head, max_bytes: int) -> ReplyError:
    return ReplyError(
        f"the answer is larger than the {max_bytes} bytes these texts can need", retryable=False, **_known(head)
    )
