"""The HTTP below the dialects: requests in any pieces, several at once, bad ones, and an end that leaves nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from unittest.mock import patch

import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from aembed.testing import Hints, LoopbackServer
from aembed.testing.server.log import GONE
from aembed.testing.server.parse import Malformed, Parser, Request
from tests.testing.client import connected, request

PLAIN = request("/a?b=c", b"content", {"X-Name": "value"})
CHUNKED = (
    b"POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0A;more=1\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
)
BARE = b"GET /c HTTP/1.1\r\nhost: h\r\n\r\n"
CLOSING = b"POST /d HTTP/1.0\r\ncontent-length: 2\r\n\r\nhi"


def parsed(pieces: list[bytes]) -> list[Request]:
    parser, requests = Parser(1000), []
    for piece in pieces:
        parser.feed(piece)
        while (found := parser.next()) is not None:
            requests.append(found)
    assert parser.buffered == 0
    return requests


@given(st.lists(st.sampled_from([PLAIN, CHUNKED, BARE, CLOSING]), max_size=5), st.sets(st.integers(0, 600)))
def test_requests_are_the_same_in_any_pieces(whole: list[bytes], cuts: set[int]) -> None:
    stream = b"".join(whole)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(edges)]
    bodies = {PLAIN: b"content", CHUNKED: b"abc0123456789", BARE: b"", CLOSING: b"hi"}
    found = parsed(pieces)
    assert [one.body for one in found] == [bodies[one] for one in whole]
    assert [one.head.keep_alive for one in found] == [one is not CLOSING for one in whole]


def test_a_head_is_taken_apart() -> None:
    (found,) = parsed([PLAIN])
    assert (found.head.method, found.head.path, found.head.query) == ("POST", "/a", "b=c")
    assert found.head.headers["x-name"] == "value"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"POST /  HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nname : value\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nFFFF\r\n", 413),
        (b"POST / HTTP/1.1\r\ncontent-length: 1001\r\n\r\n", 413),
        (b"x" * 70_000, 431),
    ],
)
async def test_bytes_that_are_no_request_are_rejected_and_logged(sent: bytes, status: int) -> None:
    parser = Parser(1000)
    parser.feed(sent)
    with pytest.raises(Malformed) as rejected:
        parser.next()
    assert rejected.value.status == status
    async with LoopbackServer(max_body=1000) as server, connected(server) as client:
        client.writer.write(sent)
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert await client.reader.read() == b""
        assert answer.json == {"error": str(rejected.value)}
        entry = server.log[0]
        assert (entry.inputs, entry.tokens, entry.status) == (0, 0, status)
        assert entry.reason == f"malformed: {rejected.value}"


async def test_requests_sent_together_are_answered_in_order() -> None:
    async with LoopbackServer(dim=4) as server, connected(server) as client:
        bodies = [{"model": f"m{i}", "input": "text"} for i in range(50)]
        client.writer.write(b"".join(request("/v1/embeddings", body) for body in bodies))
        answers = [await client.read() for _ in bodies]
        assert [answer.json["model"] for answer in answers] == [body["model"] for body in bodies]
        assert server.counters.requests_per_connection == {1: 50}
        assert server.counters.max_in_flight == 1


async def test_much_that_is_sent_together_waits_outside() -> None:
    """A client that sends without reading is not read without end."""
    async with LoopbackServer(dim=2000) as server, connected(server) as client:
        one = request("/v1/embeddings", {"model": "m", "input": ["text " * 1000] * 20, "encoding_format": "float"})
        client.writer.write(one * 30)
        answers = [await client.read() for _ in range(30)]
        assert {answer.status for answer in answers} == {200}
        assert {len(answer.json["data"]) for answer in answers} == {20}


@pytest.mark.virtual_time
async def test_a_busy_connection_is_read_only_so_far() -> None:
    """And read on when the answer is out."""
    async with LoopbackServer(dim=4, latency=1.0) as server, connected(server) as client:
        client.writer.write(request("/v1/embeddings", {"model": "m", "input": ["x" * 20_000] * 5}) * 20)
        assert [(await client.read()).status for _ in range(20)] == [200] * 20
        assert server.log[-1].answered - server.log[0].received == pytest.approx(20.0)


async def test_a_body_in_chunks_and_one_that_waits_for_leave() -> None:
    async with LoopbackServer(dim=4) as server, connected(server) as client:
        body = json.dumps({"model": "m", "input": "text"}).encode()
        head = "POST /v1/embeddings HTTP/1.1\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"
        client.writer.write(head.encode())
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        assert (await client.read()).status == 200


async def test_a_connection_is_closed_when_the_client_says_so() -> None:
    async with LoopbackServer(dim=4) as server, connected(server) as client:
        answer = await client.ask("/v1/embeddings", {"model": "m", "input": "a"}, {"connection": "close"})
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await client.reader.read() == b""


async def test_the_end_leaves_nothing_and_logs_unanswered_requests() -> None:
    """The guard around every test looks for tasks, timers and sockets."""
    server = LoopbackServer(latency=3600.0)
    async with server, connected(server) as client, connected(server):
        client.writer.write(request("/v1/embeddings", {"model": "m", "input": "text"}))
        while not server.counters.in_flight:
            await checkpoint()
        await server.aclose()
        assert await client.reader.read() == b""
    assert (server.counters.in_flight, server.counters.connections) == (0, 0)
    assert [entry.status for entry in server.log] == [GONE]
    await server.aclose()
    assert "not running" in repr(server)


async def test_a_client_that_leaves_is_noted() -> None:
    async with LoopbackServer(latency=3600.0) as server:
        async with connected(server) as client:
            client.writer.write(request("/v1/embeddings", {"model": "m", "input": "text"}))
            while not server.counters.in_flight:
                await checkpoint()
        while server.counters.connections:
            await checkpoint()
        assert (server.log[0].status, server.counters.in_flight) == (GONE, 0)


class Late:
    """A connection that was accepted as the server closed."""

    def __init__(self) -> None:
        self.transport = self
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_a_connection_that_comes_as_the_server_closes_is_dropped() -> None:
    server, late = LoopbackServer(dim=4), Late()
    async with server:
        pass
    server._dispatcher.opened(late)  # type: ignore[arg-type]
    assert late.aborted


def test_a_date_is_made_once_a_second() -> None:
    dispatcher = LoopbackServer()._dispatcher
    with patch.object(Hints, "date", side_effect=["first", "second"]):
        assert [dispatcher._now(at) for at in (5.0, 5.9, 6.0, 6.9)] == ["first", "first", "second", "second"]


async def test_it_can_start_again_on_the_same_port() -> None:
    server = LoopbackServer(dim=4)
    for _ in range(2):
        async with server, connected(server) as client:
            assert (await client.embed("a")).status == 200
    assert server.counters.requests == 2


def test_an_unknown_dialect_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no dialect is called 'latin'; there are azure, cohere"):
        LoopbackServer("latin")
