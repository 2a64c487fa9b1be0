"""A connection of the server over a transport that notes what becomes of it: whose turn it is, and who has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import anyio
import pytest

from aembed.testing.faults import End, Step
from aembed.testing.server.http import CONTINUE, MAX_WAITING_BYTES, ServerConnection
from aembed.testing.server.parse import Malformed, Request


def request(path: str, body: bytes = b"", *, length: int | None = None, expect: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\ncontent-length: {len(body) if length is None else length}\r\n{expect}\r\n"
    return head.encode() + body


class Wire:
    """A transport. ``full`` after so many writes, as that of a client that does not read."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.done: list[str] = []
        self.full_after = 0
        self.connection: ServerConnection | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)
        if len(self.written) == self.full_after:
            assert self.connection is not None
            self.connection.pause_writing()

    def is_closing(self) -> bool:
        return bool({"close", "abort"} & set(self.done))

    def get_extra_info(self, name: str) -> None:
        """No socket."""

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


class Handler:
    """Notes what the connection says, and leaves the answers to the test."""

    max_body = 2**20

    def __init__(self) -> None:
        self.said: list[str] = []

    def opened(self, connection: ServerConnection) -> None:
        self.said.append("opened")

    def begun(self, connection: ServerConnection) -> None:
        self.said.append("begun")

    def received(self, connection: ServerConnection, request: Request) -> None:
        self.said.append(request.head.path)

    def malformed(self, connection: ServerConnection, error: Malformed) -> None:
        self.said.append(f"malformed {error.status}")

    def closed(self, connection: ServerConnection) -> None:
        self.said.append("closed")


def opened() -> tuple[ServerConnection, Wire, list[str]]:
    handler, wire = Handler(), Wire()
    connection = wire.connection = ServerConnection(handler)
    connection.connection_made(cast(asyncio.Transport, wire))
    assert handler.said == ["opened"]
    handler.said.clear()
    return connection, wire, handler.said


def test_one_request_after_the_other_is_served() -> None:
    connection, wire, said = opened()
    connection.data_received(request("/1") + request("/2") + request("/3", b"abc")[:-1])
    assert said == ["begun", "/1"]
    connection.answer([b"o", b"ne"], keep_alive=True)
    assert said == ["begun", "/1", "/2"]
    connection.data_received(b"c")
    assert said == ["begun", "/1", "/2"]
    connection.answer([b"two"], keep_alive=True)
    assert said == ["begun", "/1", "/2", "/3"]
    connection.answer([b"three"], keep_alive=True)
    connection.data_received(request("/4")[:5])
    connection.data_received(request("/4")[5:])
    assert said[4:] == ["begun", "/4"]
    connection.answer([b"four"], keep_alive=False)
    assert (wire.written, wire.done) == ([b"one", b"two", b"three", b"four"], ["close"])


def test_a_connection_that_ends_serves_nothing_more() -> None:
    connection, _, said = opened()
    connection.data_received(request("/1") + request("/2"))
    connection.answer([b"one"], keep_alive=False)
    assert said == ["begun", "/1"]
    connection.connection_lost(None)
    assert said == ["begun", "/1", "closed"]


def test_bytes_that_are_no_request_end_it() -> None:
    connection, _, said = opened()
    connection.data_received(b"nonsense\r\n\r\n" + request("/1"))
    connection.data_received(request("/2"))
    assert said == ["begun", "malformed 400"]


def test_a_client_that_sends_too_much_is_not_read_until_its_turn() -> None:
    connection, wire, _ = opened()
    for _ in range(2):
        connection.data_received(request("/1"))
        head = request("/2", length=2**19)
        connection.data_received(head + b"x" * (MAX_WAITING_BYTES - len(head)))
        assert wire.done == []
        connection.data_received(b"x")
        connection.data_received(b"x")
        assert wire.done == ["pause"]
        connection.answer([b"one"], keep_alive=True)
        assert wire.done == ["pause", "resume"]
        connection.data_received(b"x" * (2**19 - MAX_WAITING_BYTES - 2 + len(head)))
        connection.answer([b"two"], keep_alive=True)
        assert wire.done == ["pause", "resume"]
        wire.done.clear()
    assert MAX_WAITING_BYTES == 2**18


def test_a_client_that_does_not_read_is_not_served() -> None:
    connection, wire, said = opened()
    wire.full_after = 1
    connection.data_received(request("/1") + request("/2"))
    connection.answer([b"one"], keep_alive=True)
    assert said == ["begun", "/1"]
    connection.resume_writing()
    assert said == ["begun", "/1", "/2"]
    connection.resume_writing()
    assert said == ["begun", "/1", "/2"]


def test_a_client_that_has_left_is_not_served() -> None:
    connection, wire, said = opened()
    wire.full_after = 1
    connection.data_received(request("/1") + request("/2"))
    connection.answer([b"one"], keep_alive=True)
    connection.connection_lost(None)
    connection.resume_writing()
    assert said == ["begun", "/1", "closed"]


def test_each_body_is_asked_for_once() -> None:
    connection, wire, _ = opened()
    for asks in (1, 2):
        whole = request("/1", b"abc", expect="expect: 100-Continue\r\n")
        for piece in (whole[:-3], whole[-3:-1], whole[-1:]):
            connection.data_received(piece)
            assert wire.written.count(CONTINUE) == asks
        connection.answer([b"one"], keep_alive=True)
    connection.data_received(request("/2", b"abc")[:-3])
    assert wire.written.count(CONTINUE) == 2


# --- faults


def steps(*given: Step) -> Iterator[Step]:
    return iter(given)


@pytest.mark.parametrize(
    ("end", "done", "served"),
    [(End.RESET, ["abort"], False), (End.CLOSED, ["close"], False), (End.SILENT, [], False)],
)
def test_a_fault_ends_as_it_says(end: End, done: list[str], served: bool) -> None:
    connection, wire, said = opened()
    connection.data_received(request("/1") + request("/2"))
    connection.play(steps(b"bad", end, b"never"), keep_alive=True)
    assert (wire.written, wire.done) == ([b"bad"], done)
    connection.data_received(request("/3"))
    assert said == ["begun", "/1"]


@pytest.mark.parametrize("keep_alive", [True, False])
def test_after_a_fault_without_an_end_the_next_is_served(keep_alive: bool) -> None:
    connection, wire, said = opened()
    connection.data_received(request("/1") + request("/2"))
    connection.play(steps(b"odd"), keep_alive=keep_alive)
    assert (said[1:], wire.done) == ((["/1", "/2"], []) if keep_alive else (["/1"], ["close"]))


def test_a_stale_connection_breaks_at_the_next_request() -> None:
    connection, wire, said = opened()
    connection.data_received(request("/1"))
    connection.play(steps(b"good", End.STALE), keep_alive=True)
    assert wire.done == []
    connection.data_received(request("/2"))
    assert (wire.done, said) == (["abort"], ["begun", "/1"])


def test_a_fault_waits_for_a_client_that_does_not_read() -> None:
    connection, wire, said = opened()
    wire.full_after = 2
    connection.data_received(request("/1") + request("/2"))
    connection.play(steps(b"a", b"b", b"c"), keep_alive=True)
    assert wire.written == [b"a", b"b"]
    connection.resume_writing()
    assert wire.written == [b"a", b"b", b"c"]
    assert said == ["begun", "/1", "/2"]


@pytest.mark.virtual_time
async def test_a_fault_takes_its_time() -> None:
    connection, wire, _ = opened()
    connection.data_received(request("/1"))
    connection.play(steps(b"a", 2.0, b"b", 3.0, b"c"), keep_alive=True)
    for seconds, written in ((1.0, 1), (1.5, 2), (2.0, 2), (1.0, 3)):
        await anyio.sleep(seconds)
        assert len(wire.written) == written
    connection.resume_writing()  # of one that was not full
    assert len(wire.written) == 3


@pytest.mark.virtual_time
async def test_a_fault_ends_with_its_client() -> None:
    connection, wire, _ = opened()
    connection.data_received(request("/1"))
    connection.play(steps(b"a", 3600.0, b"b"), keep_alive=True)
    connection.connection_lost(None)
    await anyio.sleep(7200.0)
    assert wire.written == [b"a"]
    connection, wire, _ = opened()
    connection.data_received(request("/1"))
    connection.play(steps(b"a", 1.0, b"b"), keep_alive=True)
    wire.abort()
    await anyio.sleep(2.0)
    assert wire.written == [b"a"]
