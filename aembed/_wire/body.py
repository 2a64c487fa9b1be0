"""The bytes of an answer, inflated, and never more of them than the cap."""

from __future__ import annotations

import zlib

import aiohttp

from aembed._errors import ConnectError, ReplyError

GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
LONGEST_REFUSAL = 2**16
"""Bytes of a refusal that are read; what it says stands at its beginning."""


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytearray:
    """Collect the body in one growing buffer. The cap counts inflated bytes, and stops the inflating itself.

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
    raise ReplyError(f"the answer is encoded as {encoding[:20]!r}, which was not asked for", status=response.status)


async def _read_refusal(response: aiohttp.ClientResponse) -> bytearray:
    """As much as is legible and short: of a refusal the status counts, and its body must not hide it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LONGEST_REFUSAL:
            break
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return body[:LONGEST_REFUSAL]
    try:
        return bytearray(zlib.decompressobj(GZIP_OR_ZLIB).decompress(body, LONGEST_REFUSAL))
    except zlib.error:
        return bytearray()


async def _read_plain(response: aiohttp.ClientResponse, max_bytes: int) -> bytearray:
    body = bytearray()  # grown, not made at its size at once: that would write zeros to all of it in one step
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            raise _too_large(response, max_bytes)
    return body


async def _read_inflated(response: aiohttp.ClientResponse, max_bytes: int) -> bytearray:
    body = bytearray()
    inflate = zlib.decompressobj(GZIP_OR_ZLIB)
    async for piece in response.content.iter_any():
        try:
            body += inflate.decompress(piece, max_bytes + 1 - len(body))
        except zlib.error:
            raise ReplyError("the compressed answer is damaged", status=response.status) from None
        if len(body) > max_bytes or inflate.unconsumed_tail:
            raise _too_large(response, max_bytes)
    if not inflate.eof:
        raise ConnectError("the compressed answer breaks off", status=response.status, maybe_billed=True)
    return body


def _too_large(response: aiohttp.ClientResponse, max_bytes: int) -> ReplyError:
    return ReplyError(
        f"the answer is larger than the {max_bytes} bytes these texts can need", status=response.status, retryable=False
    )
