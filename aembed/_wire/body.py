"""The bytes of an answer, inflated, and never more of them than the cap.

A traceback may show local variables: where errors are raised here, none holds what the server said.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio.lowlevel

from aembed._errors import ConnectError, ReplyError
from aembed._wire.api_errors import request_id
from aembed._wire.transport import BodySink

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
ENCODINGS = {"identity", "gzip", "x-gzip", "deflate", "br", "compress", "zstd"}
"""https://www.iana.org/assignments/http-parameters, content codings; other names are not repeated."""
LONGEST_REFUSAL = 2**16
"""Bytes of a refusal that are read; what it says stands at its beginning."""
PIECES = 2**19
"""Bytes of a long answer that are handed on at once: half a millisecond's work as base64, two as numbers."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer of which the head has come."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: aiohttp.StreamReader = field(repr=False)
    length: int | None
    """Bytes, as the head says."""

    def encoding(self) -> str:
        """The name of its encoding, if it is one of ``ENCODINGS``."""
        name = self.headers.get("Content-Encoding", "identity").lower()
        return name if name in ENCODINGS else "something unknown"

    def known(self) -> dict[str, Any]:
        """The facts that an error carries."""
        return {"status": self.status, "request_id": request_id(self.headers)}


async def read_body(response: Incoming, max_bytes: int, sink: BodySink | None) -> bytes:
    """The body, or what is left of a long one when ``sink`` has taken its beginning.

    Raises:
        ReplyError: more than ``max_bytes``, or an encoding nobody asked for.
        ConnectError: the compressed body breaks off.
    """
    if response.status >= 400:
        return await _read_refusal(response)
    if (response.length or 0) > max_bytes:
        raise _too_large(response, max_bytes)
    encoding = response.encoding()
    if encoding == "identity":
        return await _read(response, max_bytes, sink)
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return await _read(response, max_bytes, sink, zlib.decompressobj(GZIP_OR_ZLIB))
    raise ReplyError(f"the answer is encoded as {encoding}, which was not asked for", **response.known())


async def _read_refusal(response: Incoming) -> bytes:
    """As much as is legible and short: of a refusal the status counts, and its body must not hide it."""
    body = b""
    while len(body) <= LONGEST_REFUSAL and (piece := await response.content.readany()):
        body += piece[: LONGEST_REFUSAL + 1]
    if response.encoding() == "identity":
        return body[:LONGEST_REFUSAL]
    try:
        return zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, LONGEST_REFUSAL)
    except zlib.error:
        return b""


async def _read(
    response: Incoming, max_bytes: int, sink: BodySink | None, inflate: zlib._Decompress | None = None
) -> bytes:
    """The cap counts inflated bytes, and those they are inflated from, which may come to nothing."""
    content, left, left_raw = response.content, max_bytes, max_bytes
    pieces: list[bytes] = []
    held = 0
    while not content.at_eof():
        raw = await content.readany()
        left_raw -= len(raw)
        for piece in (raw,) if inflate is None else _inflated(raw, inflate, response):
            left -= len(piece)
            if left < 0 or left_raw < 0:
                pieces, raw, piece = [], b"", b""  # noqa: PLW2901
                raise _too_large(response, max_bytes)
            pieces.append(piece)
            held += len(piece)
            if sink is not None and held >= PIECES:
                await sink.take(pieces)
                pieces, held = [], 0
            elif inflate is not None and len(piece) == PIECES:
                await anyio.lowlevel.checkpoint()  # some kilobytes may become gigabytes
    if inflate is not None and not inflate.eof:
        pieces, raw, piece = [], b"", b""
        raise ConnectError("the compressed answer breaks off", maybe_billed=True, **response.known())
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _inflated(raw: bytes, inflate: zlib._Decompress, response: Incoming) -> Iterator[bytes]:
    """What the next bytes of the body become, a little at a time."""
    while raw:
        wrong = "goes on behind its end" if inflate.eof else ""
        piece = b""
        try:
            piece = b"" if wrong else inflate.decompress(raw, PIECES)
        except zlib.error:
            wrong = "is damaged"
        if wrong:
            raw = b""
            raise ReplyError(f"the compressed answer {wrong}", **response.known())
        yield piece
        raw = inflate.unconsumed_tail or inflate.unused_data


def _too_large(response: Incoming, max_bytes: int) -> ReplyError:
    return ReplyError(
        f"the answer is larger than the {max_bytes} bytes these texts can need", retryable=False, **response.known()
    )
