"""A connection and arbitrary bytes: any bytes from a server, in any pieces, are an answer or a typed error.

h11, which shares no code with llhttp, is the oracle on answers that are valid.
"""

from __future__ import annotations

import asyncio

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aembed import ConnectError, ReplyError
from aembed._wire.connection import MAX_HELD_BYTES, SLICE_BYTES
from tests.loops import run
from tests.wire.one_answer import CHUNKS, HEAD, LENGTH, REQUEST, Outcome, answered, connected

KEPT = {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}


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


@pytest.mark.parametrize(
    ("ends", "closed_by"),
    [("never", ["close", "abort"]), ("by the server", ["abort"]), ("by us", ["abort", "abort"])],
)
async def test_an_open_connection_takes_its_leave(ends: str, closed_by: list[str]) -> None:
    """Over TLS only ``close`` sends the close_notify that RFC 8446 wants; ``abort`` waits for nothing."""
    with connected() as (connection, wire):
        if ends == "by the server":
            connection.eof_received()
        elif ends == "by us":
            connection.abort()
        connection.close()
        assert (connection.is_closed, wire.closed_by) == (True, closed_by)


async def test_an_idle_time_begins_when_the_answer_has_been_read() -> None:
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        assert (connection.is_busy, connection.waits_for_server) == (True, True)
        connection.data_received(LENGTH + b"ok")
        assert (connection.is_busy, connection.waits_for_server) == (True, False)
        connection.since = 0.0
        connection.rest()
        assert (connection.is_busy, connection.waits_for_server) == (False, False)
        assert connection.since == pytest.approx(asyncio.get_running_loop().time(), abs=60)


@pytest.mark.parametrize(("said", "died_idle"), [(b"", True), (b"H", False)])
async def test_only_a_used_connection_without_an_answer_died_idle(said: bytes, *, died_idle: bool) -> None:
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        assert not connection.died_idle, "a new one has no idle time behind it"
        connection.data_received(LENGTH + b"ok")
        connection.take()
        connection.rest()
        connection.start(REQUEST, b"{}")
        if said:
            connection.data_received(said)
        connection.connection_lost(None)
        with pytest.raises(ConnectError):
            await connection.wait()
        assert connection.died_idle is died_idle
