"""The bytes of an answer, inflated, and never more of them than the cap."""

from __future__ import annotations

import zlib
from typing import Any

import aiohttp

from aembed._errors import ConnectError, ReplyError
from aembed._wire.refusal import request_id

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
LONGEST_REFUSAL = 2**16
"""Bytes of a refusal that are read; what it says stands at its beginning."""


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Collect the body. The cap counts inflated bytes, and stops the inflating itself.

    Raises:
        ReplyError: more than ``max_bytes``, or an encoding nobody asked for.
        ConnectError: the compressed body breaks off.
    """
    if response.status >= 400:
        return await _read_refusal(response)
    if (response.content_length or 0) > max_bytes:
        raise _too_large(response, max_bytes)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return await _read_plain(response, max_bytes)
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return await _read_inflated(response, max_bytes)
    raise ReplyError(f"the answer is encoded as {encoding[:20]!r}, which was not asked for", **_known(response))


async def _read_refusal(response: aiohttp.ClientResponse) -> bytes:
    """As much as is legible and short: of a refusal the status counts, and its body must not hide it."""
    body = b""
    while len(body) <= LONGEST_REFUSAL and (piece := await response.content.readany()):
        body += piece[: LONGEST_REFUSAL + 1]
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return body[:LONGEST_REFUSAL]
    try:
        return zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, LONGEST_REFUSAL)
    except zlib.error:
        return b""


async def _read_plain(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    content = response.content
    while not content.at_eof():
        piece = await content.readany()
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise _too_large(response, max_bytes)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _read_inflated(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    left = max_bytes
    inflate = zlib.decompressobj(GZIP_OR_ZLIB)
    while compressed := await response.content.readany():
        try:
            piece = inflate.decompress(compressed, left + 1)
        except zlib.error:
            raise ReplyError("the compressed answer is damaged", **_known(response)) from None
        pieces.append(piece)
        left -= len(piece)
        if left < 0 or inflate.unconsumed_tail:
            raise _too_large(response, max_bytes)
    if not inflate.eof:
        raise ConnectError("the compressed answer breaks off", maybe_billed=True, **_known(response))
    return b"".join(pieces)


def _too_large(response: aiohttp.ClientResponse, max_bytes: int) -> ReplyError:
    return ReplyError(
        f"the answer is larger than the {max_bytes} bytes these texts can need", retryable=False, **_known(response)
    )


def _known(response: aiohttp.ClientResponse) -> dict[str, Any]:
    return {"status": response.status, "request_id": request_id(response.headers)}
