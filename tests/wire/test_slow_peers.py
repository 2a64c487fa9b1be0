"""Servers that hold a request back, readers that hold an answer back, and connections that end meanwhile."""

from __future__ import annotations

import asyncio
import select
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aembed import ConnectError, ReplyError
from aembed._wire.connection import MAX_HELD_BYTES, SLICE_BYTES, Connection
from tests.wire.one_answer import HEAD, LENGTH, REQUEST, connected

BODY = b"x" * (2 * SLICE_BYTES)


def held_back(connection: Connection) -> asyncio.Task[None]:
    """A long request whose first slice is not taken by the server."""
    connection.start(REQUEST, BODY)
    connection.pause_writing()
    return asyncio.ensure_future(connection.send_body(BODY))


async def test_a_request_that_is_held_back_ends_with_its_connection() -> None:
    with connected() as (connection, wire):
        sending = held_back(connection)
        await anyio.lowlevel.checkpoint()
        connection.connection_lost(None)
        await sending
        assert len(wire.written) < len(BODY)
        assert (connection.is_closed, connection.gone.done()) == (True, True)
        with pytest.raises(ConnectError, match="the connection broke"):
            await connection.wait()


async def test_a_caller_that_left_is_not_told_of_anything() -> None:
    """Neither permission to continue with the request, nor its answer."""
    with connected() as (connection, _):
        sending = held_back(connection)
        await anyio.lowlevel.checkpoint()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        connection.resume_writing()
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        await anyio.lowlevel.checkpoint()
        connection.wait().cancel()
        connection.data_received(LENGTH + b"ok")
        assert connection.is_complete


@pytest.mark.virtual_time
async def test_between_slices_others_have_a_turn_and_no_time_passes() -> None:
    with connected() as (connection, wire):
        body = b"x" * (8 * SLICE_BYTES)
        connection.start(REQUEST, body)
        sending = asyncio.ensure_future(connection.send_body(body))
        await asyncio.wait([sending], timeout=0)
        assert len(wire.written) < len(body)
        await sending
        assert wire.written.endswith(body)
        assert anyio.current_time() < 0.001


@pytest.mark.parametrize("length", [SLICE_BYTES, SLICE_BYTES + 1])
async def test_a_request_of_one_slice_goes_at_once(length: int) -> None:
    assert SLICE_BYTES == 256 * 1024
    with connected() as (connection, wire):
        connection.start(REQUEST, b"x" * length)
        await anyio.lowlevel.checkpoint()
        whole = b"%b%d\r\n\r\n%b" % (REQUEST, length, b"x" * length)
        assert wire.written == (whole if length == SLICE_BYTES else whole[:-length])


@pytest.mark.parametrize(("unsent", "error"), [(0, None), (1, ReplyError)])
async def test_a_good_answer_before_the_last_byte_is_sent_is_none(unsent: int, error: Any) -> None:
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        await anyio.lowlevel.checkpoint()
        wire.unsent = unsent
        connection.data_received(LENGTH + b"ok")
        if error is None:
            await connection.wait()
        else:
            with pytest.raises(error, match="not valid HTTP"):
                await connection.wait()


async def test_a_server_waits_once_a_mebibyte_is_held_and_never_after_the_end() -> None:
    assert MAX_HELD_BYTES == 2**20
    half = b"x" * (MAX_HELD_BYTES // 2)
    for length, reads in ((4 * MAX_HELD_BYTES, [True, False]), (MAX_HELD_BYTES, [True, True])):
        with connected() as (connection, wire):
            connection.start(REQUEST, b"{}")
            await anyio.lowlevel.checkpoint()
            connection.data_received(HEAD + b"Content-Length: %d\r\n\r\n" % length)
            read = []
            for _ in reads:
                connection.data_received(half)
                read.append(wire.is_read)
            assert read == reads
            assert connection.waits_for_server is False


async def test_a_paused_connection_that_was_closed_is_not_resumed() -> None:
    with connected() as (connection, wire):
        connection.start(REQUEST, b"{}")
        connection.data_received(HEAD + b"Content-Length: %d\r\n\r\n" % (4 * MAX_HELD_BYTES) + b"x" * MAX_HELD_BYTES)
        connection.abort()
        assert len(b"".join(connection.take())) == MAX_HELD_BYTES
        assert not wire.is_read


@pytest.mark.parametrize(("status", "is_complete"), [(399, False), (400, True), (503, True)])
async def test_a_rejection_counts_even_if_the_connection_is_lost_in_its_body(status: int, is_complete: bool) -> None:
    with connected() as (connection, _):
        connection.start(REQUEST, b"{}")
        await anyio.lowlevel.checkpoint()
        connection.data_received(f"HTTP/1.1 {status} So\r\nContent-Length: 9\r\n\r\nno".encode())
        connection.connection_lost(ConnectionResetError())
        assert connection.is_complete is is_complete
        if is_complete:
            await connection.wait()
        else:
            with pytest.raises(ConnectError, match="in the middle of the answer"):
                await connection.wait()


async def test_a_connection_that_ended_before_its_first_request_says_so() -> None:
    with connected() as (connection, wire):
        connection.connection_lost(None)
        connection.start(REQUEST, b"{}")
        with pytest.raises(ConnectError) as caught:
            await connection.wait()
        assert str(caught.value) == "the connection broke (closed by the server)"
        assert wire.written == b""


class Poller:
    """Says how long it was to wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def register(self, *_: Any) -> None: ...

    def poll(self, milliseconds: float) -> list[Any]:
        self.waits.append(milliseconds)
        return []

    def select(self, *sockets_and_seconds: Any) -> tuple[list[Any], ...]:
        self.waits.append(sockets_and_seconds[3])
        return [], [], []


@pytest.mark.parametrize("has_poll", [True, False])
async def test_whether_a_connection_is_usable_is_known_without_waiting(
    has_poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ``poll``, or by ``select`` where the system has none."""
    poller = Poller()
    if has_poll:
        monkeypatch.setattr(select, "poll", lambda: poller, raising=False)
    else:
        monkeypatch.delattr(select, "poll", raising=False)
        monkeypatch.setattr(select, "select", poller.select)
    with connected() as (connection, _):
        assert connection.is_usable
        assert poller.waits == [0]
        connection.connection_lost(None)
        assert not connection.is_usable
