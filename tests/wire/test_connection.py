"""A connection and arbitrary bytes: any bytes from a server, in any pieces, are an answer or a typed error.

h11, which shares no code with llhttp, is the oracle on answers that are valid.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import ConnectError, ProviderError, ReplyError
from aembed._wire.answer import MAX_HEAD_BYTES
from aembed._wire.connection import MAX_HELD_BYTES, SLICE_BYTES, Connection
from tests.loops import run

KEPT = {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}
REQUEST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: "


class Wire(asyncio.Transport):
    """The loop's side: records the bytes written, and whether the connection is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.is_open = True
        self.is_read = True

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def close(self) -> None:
        self.is_open = False

    def abort(self) -> None:
        self.is_open = False


class Outcome(NamedTuple):
    """The answer or the error that the bytes became."""

    status: int | None
    body: bytes
    headers: dict[str, str]
    error: type[ProviderError] | None
    is_kept: bool


@contextmanager
def connected() -> Generator[tuple[Connection, Wire]]:
    wire = Wire()
    with socket.socket() as near:
        connection = Connection(asyncio.get_running_loop(), near, is_tls=False, forget=lambda _: None)
        connection.connection_made(wire)
        yield connection, wire


async def answered(pieces: Sequence[bytes], *, ends: bool = True) -> Outcome:
    """Outcome of a request answered by ``pieces``, then by the end of the connection if it ``ends``."""
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        body = b""
        for piece in pieces:
            if wire.is_open:
                connection.data_received(piece)
        is_kept = wire.is_open and connection.can_be_kept
        if wire.is_open and ends:
            connection.eof_received()
        connection.connection_lost(None)
        try:
            await connection.wait()
        except ProviderError as error:
            return Outcome(None, b"", {}, type(error), is_kept)
        assert connection.head is not None
        body += b"".join(connection.take())
        return Outcome(connection.head.status, body, dict(connection.head.headers), None, is_kept)


def said_by_h11(data: bytes) -> Outcome | None:
    """The same by h11; ``None`` where it takes the bytes for no answer."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    status, body, is_ended = None, b"", False
    headers: dict[str, str] = {}
    try:
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA and not is_ended:
                is_ended = True
                client.receive_data(b"")
            elif isinstance(event, h11.Response):
                status = event.status_code
                for name, value in event.headers:
                    headers.setdefault(name.decode(), value.decode("latin-1"))
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return Outcome(status, body, headers, None, is_kept=client.states == KEPT and not is_ended)
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None


NAMES = st.sampled_from(["X-Request-Id", "retry-after", "Server", "X_Y.z~", "Date"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20) | st.sampled_from(["a b", "a\tb", ""])
INTERIM = st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * 2])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks, with extensions and trailers as RFC 9112 section 7.1 has them."""
    said = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b;c"']))
        said += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return said + b"0\r\n" + draw(st.sampled_from([b"", b"X-Sum: 1\r\n"])) + b"\r\n"


@st.composite
def valid(draw: st.DrawFn) -> bytes:
    """An answer as a server may send it."""
    status = draw(st.sampled_from([200, 201, 299, 302, 400, 404, 429, 500, 503, 599]))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    fields = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    body = draw(st.binary(max_size=300))
    lines = [f"{name}: {value}".encode() for name, value in fields.items()]
    how = draw(st.sampled_from(["length", "chunked" if version == b"1.1" else "length", "end"]))
    keep_alive = [b"connection: Keep-Alive"] if version == b"1.1" else []  # h11 does not keep those of 1.0
    lines += draw(st.sampled_from([[], [b"Connection: close"], keep_alive]))
    if how == "length":
        lines.insert(draw(st.integers(0, len(lines))), b"Content-Length: %d" % len(body))
    elif how == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        body = draw(chunked(body))
    head = b"HTTP/%b %d So\r\n%b\r\n" % (version, status, b"".join(line + b"\r\n" for line in lines))
    return draw(INTERIM) + head + body


@st.composite
def in_pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True) if start < end]


@given(st.data())
def test_valid_answers_are_read_as_h11_reads_them(data: st.DataObject) -> None:
    said = data.draw(valid())
    ours = run(answered(data.draw(in_pieces(said))))
    theirs = said_by_h11(said)
    assert theirs is not None
    assert ours == theirs


PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b" ",
    b"\r\n ",
    b"0",
    b"-1",
    b"0x5",
    b"ffffffffffffffff",
    b";",
    b"chunked",
]
PIECES += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\x80\xff"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An answer that was valid once."""
    said = draw(valid())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(said)))
        stop = min(len(said), start + draw(st.integers(0, 9)))
        said = said[:start] + draw(st.sampled_from(PIECES) | st.binary(max_size=3)) + said[stop:]
    return said


@given(st.data())
def test_any_bytes_in_any_pieces_are_one_answer_or_one_error(data: st.DataObject) -> None:
    """The cuts make no difference; and where h11 reads an answer as well, it is the same."""
    said = data.draw(mutated() | st.binary(max_size=200))
    whole = run(answered([said]))
    assert whole.error in {None, ReplyError, ConnectError}
    assert run(answered(data.draw(in_pieces(said)))) == whole
    theirs = said_by_h11(said)
    if whole.error is None and theirs is not None and whole.status not in {204, 304}:
        assert whole[:2] == theirs[:2]
        assert theirs.is_kept or not whole.is_kept


HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"Content-Length: 2\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
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


async def test_a_rejection_may_come_before_the_request_is_sent() -> None:
    """A server that finds it too large need not read it all; nothing else can be sent over this connection."""
    with connected() as (connection, wire):
        connection.start(REQUEST, b"x" * (8 * SLICE_BYTES))
        sending = asyncio.ensure_future(connection.send_body(b"x" * (8 * SLICE_BYTES)))
        await asyncio.wait([sending], timeout=0)
        connection.data_received(b"HTTP/1.1 413 So\r\nContent-Length: 2\r\n\r\nno")
        await sending
        await connection.wait()
        assert connection.head is not None
        assert (connection.head.status, connection.take()) == (413, [b"no"])
        assert len(wire.written) < 8 * SLICE_BYTES
        assert not connection.can_be_kept


async def test_a_long_request_goes_at_the_pace_of_the_server() -> None:
    with connected() as (connection, wire):
        body = b"x" * (4 * SLICE_BYTES)
        connection.start(REQUEST, body)
        connection.pause_writing()
        sending = asyncio.ensure_future(connection.send_body(body))
        await asyncio.wait([sending], timeout=0.001)
        assert len(wire.written) < 2 * SLICE_BYTES
        connection.resume_writing()
        await sending
        assert wire.written == b"%b%d\r\n\r\n%b" % (REQUEST, len(body), body)


async def test_a_server_waits_for_a_slow_reader() -> None:
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        connection.data_received(HEAD + b"Content-Length: %d\r\n\r\n" % (4 * MAX_HELD_BYTES))
        for _ in range(8):
            connection.data_received(b"x" * (MAX_HELD_BYTES // 8))
        assert not wire.is_read
        await connection.wait()
        assert len(b"".join(connection.take())) == MAX_HELD_BYTES
        assert wire.is_read


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "the connection broke (closed by the server)"),
        (HEAD, "the connection broke (closed by the server)"),
        (LENGTH + b"o", "the connection broke in the middle of the answer"),
        (CHUNKS + b"2\r\nok\r\n", "the connection broke in the middle of the answer"),
    ],
)
async def test_an_answer_that_breaks_off(said: bytes, words: str) -> None:
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        if said:
            connection.data_received(said)
        connection.eof_received()
        connection.connection_lost(None)
        with pytest.raises(ConnectError) as caught:
            await connection.wait()
        assert str(caught.value) == words
        assert caught.value.maybe_billed
        assert not connection.died_idle, "it has served no request before"


async def test_an_answer_that_breaks_off_while_its_reader_is_busy() -> None:
    """Between the end of file and the end of the connection a reader waits for the error, and does not spin."""
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        connection.data_received(LENGTH + b"o")
        connection.eof_received()
        reading = asyncio.ensure_future(connection.wait())
        await asyncio.wait([reading], timeout=0)
        assert not reading.done()
        connection.connection_lost(None)
        with pytest.raises(ConnectError, match="in the middle of the answer"):
            await reading


async def test_no_byte_that_passes_is_shown() -> None:
    with connected() as (connection, _):
        connection.start(REQUEST + b"sk-secret", b"{}")
        connection.data_received(HEAD + b"x-echo: sk-secret\r\nContent-Length: 2\r\n\r\nok")
        shown = f"{connection!r} {connection.head!r} {connection.head and connection.head.headers!r}"
        assert "sk-secret" not in shown
        assert "x-echo" in shown
