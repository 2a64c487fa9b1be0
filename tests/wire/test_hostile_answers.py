"""A breach of HTTP/1.1 ends the connection, and no bytes leak from one answer into another."""

from __future__ import annotations

import asyncio

import pytest

from aembed import ReplyError
from aembed._wire.answer import FRAMING_PER_BYTE, MAX_HEAD_BYTES
from aembed._wire.connection import SLICE_BYTES
from tests.wire.one_answer import CHUNKS, HEAD, LENGTH, REQUEST, answered, connected

HOSTILE = {
    "lines that end in LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a bare CR in a header": HEAD + b"A: b\rContent-Length: 2\r\n\r\nok",
    "a bare LF in a header": HEAD + b"A: b\nContent-Length: 2\r\n\r\nok",
    "a header that is folded": HEAD + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a length that is folded": HEAD + b"Content-Length:\r\n 2\r\n\r\nok",
    "NUL in a value": HEAD + b"A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a name": HEAD + b"A\0: b\r\nContent-Length: 2\r\n\r\nok",
    "a blank before the colon": HEAD + b"Content-Length : 2\r\n\r\nok",
    "no name": HEAD + b": b\r\nContent-Length: 2\r\n\r\nok",
    "no colon": HEAD + b"Abc\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a list of lengths": HEAD + b"Content-Length: 2, 2\r\n\r\nok",
    "a length below zero": HEAD + b"Content-Length: -2\r\n\r\nok",
    "a length with a sign": HEAD + b"Content-Length: +2\r\n\r\nok",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x2\r\n\r\nok",
    "a length beyond 64 bits": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nok",
    "a length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "another transfer coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks that are not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\nok",
    "no transfer coding at all": HEAD + b"Transfer-Encoding: xchunked\r\n\r\nok",
    "two transfer codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nok",
    "a chunk size with a sign": CHUNKS + b"+2\r\nok\r\n0\r\n\r\n",
    "a chunk size below zero": CHUNKS + b"-2\r\nok\r\n0\r\n\r\n",
    "a chunk size in C": CHUNKS + b"0x2\r\nok\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKS + b"f" * 17 + b"\r\nok\r\n0\r\n\r\n",
    "no chunk size": CHUNKS + b"\r\nok\r\n0\r\n\r\n",
    "a chunk line that ends in LF": CHUNKS + b"2\nok\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKS + b"2\r\nokk\r\n0\r\n\r\n",
    "a length among trailers": CHUNKS + b"2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n",
    "HTTP/2.0 in text": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "RTSP": b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "an empty line first": b"\r\n" + LENGTH + b"ok",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "a status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
    "another protocol": b"HTTP/1.1 101 So\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\0",
    "another protocol, unnamed": b"HTTP/1.1 101 So\r\n\r\n" + LENGTH + b"ok",
    "garbage behind the end": LENGTH + b"ok}}",
    "garbage behind the last answer": HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok" + LENGTH,
    "a head without end": HEAD + b"X: y\r\n" * (MAX_HEAD_BYTES // 6),
    "a name without end": HEAD + b"x" * MAX_HEAD_BYTES,
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD_BYTES // 25 + 1),
    "an extension without end": CHUNKS + b"2;" + b"x" * MAX_HEAD_BYTES,
    "a trailer without end": CHUNKS + b"2\r\nok\r\n0\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 6),
    "not HTTP at all": b"SSH-2.0-OpenSSH_9.6\r\n",
}


@pytest.mark.parametrize("size", [1, 7, 2**20])
@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
async def test_a_breach_of_the_rules_ends_the_connection(said: bytes, size: int) -> None:
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    if size == 1 and len(said) > 1000:
        pieces = [said[:500], *(said[start : start + 999] for start in range(500, len(said), 999))]
    outcome = await answered(pieces, ends=False)
    assert (outcome.error, outcome.is_kept) == (ReplyError, False)


@pytest.mark.parametrize("rest", [LENGTH + b"{}", b"HTTP", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nmine"])
async def test_a_second_answer_is_not_read(rest: bytes) -> None:
    """RFC 9112 section 6.3: it is not processed. The first one is whole and counts; the connection is closed."""
    outcome = await answered([LENGTH + b"ok" + rest])
    assert (outcome.status, outcome.body, outcome.error, outcome.is_kept) == (200, b"ok", None, False)


async def test_an_answer_before_any_request_is_none() -> None:
    with connected() as (connection, wire):
        connection.data_received(LENGTH + b"ok")
        assert not wire.is_open
        connection.start(REQUEST, b"{}")
        with pytest.raises(ReplyError):
            await connection.wait()
        assert wire.written == b""


async def test_an_answer_while_nothing_is_asked_is_not_the_next_one() -> None:
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        connection.data_received(LENGTH + b"ok")
        await connection.wait()
        assert connection.take() == [b"ok"]
        assert connection.can_be_kept
        connection.rest()
        connection.data_received(LENGTH + b"no")
        assert not wire.is_open
        assert not connection.is_usable


@pytest.mark.parametrize("status", [200, 204, 302, 399])
async def test_a_good_answer_before_the_request_is_sent_is_none(status: int) -> None:
    with connected() as (connection, wire):
        connection.start(REQUEST, b"x" * (SLICE_BYTES + 1))
        connection.data_received(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode())
        with pytest.raises(ReplyError):
            await connection.wait()
        assert not wire.is_open


@pytest.mark.parametrize("status", [400, 413])
async def test_a_rejection_may_come_before_the_request_is_sent(status: int) -> None:
    """A server that finds it too large need not read it all; nothing else can be sent over this connection."""
    with connected() as (connection, wire):
        connection.start(REQUEST, b"x" * (8 * SLICE_BYTES))
        sending = asyncio.ensure_future(connection.send_body(b"x" * (8 * SLICE_BYTES)))
        await asyncio.wait([sending], timeout=0)
        connection.data_received(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nno".encode())
        await sending
        await connection.wait()
        assert connection.head is not None
        assert (connection.head.status, connection.take()) == (status, [b"no"])
        assert len(wire.written) < 8 * SLICE_BYTES
        assert not connection.can_be_kept


@pytest.mark.parametrize("body_bytes", [0, 1, 1000])
@pytest.mark.parametrize(("more", "error"), [(0, None), (1, ReplyError)])
async def test_so_many_bytes_may_be_around_a_body(body_bytes: int, more: int, error: type[ReplyError] | None) -> None:
    """64 KiB, and 16 for each byte of it: a server that sends every byte as a chunk needs five."""
    assert (MAX_HEAD_BYTES, FRAMING_PER_BYTE) == (65_536, 16)
    chunk = b"%x;%%b\r\n%b\r\n" % (body_bytes, b"x" * body_bytes) if body_bytes else b""
    said = (CHUNKS if chunk else CHUNKS.replace(b"\r\n\r\n", b"\r\nX: %b\r\n\r\n")) + chunk + b"0\r\n\r\n"
    allowed = 65_536 + 16 * body_bytes
    padding = b"x" * (allowed + more + body_bytes - len(said) + len(b"%b"))
    outcome = await answered([said % padding])
    assert (outcome.error, len(outcome.body)) == (error, 0 if error else body_bytes)


async def test_a_body_may_come_in_chunks_of_a_byte() -> None:
    body = b"x" * 20_000
    outcome = await answered([CHUNKS + b"1\r\nx\r\n" * len(body) + b"0\r\n\r\n"])
    assert (outcome.body, outcome.error) == (body, None)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_is_complete_at_the_end_of_its_head(status: int) -> None:
    outcome = await answered([f"HTTP/1.1 {status} So\r\n\r\n".encode()], ends=False)
    assert (outcome.status, outcome.body, outcome.is_kept) == (status, b"", True)
