"""Requests of one turn of the event loop are written a few at a time, and never when their connection has ended."""

from __future__ import annotations

import asyncio

import pytest
from anyio.lowlevel import checkpoint

from aembed._errors import ReplyError
from aembed._wire.outbox import MOST_WAITING, Outbox
from tests.wire.one_answer import LENGTH, REQUEST, connected


async def test_the_first_request_of_a_turn_goes_out_at_once_and_others_at_its_end() -> None:
    outbox, written = Outbox(asyncio.get_running_loop()), list[int]()
    for number in range(3):
        outbox.put(lambda number=number: written.append(number))  # type: ignore[misc]
    assert written == [0]
    await checkpoint()
    assert written == [0, 1, 2]


async def test_every_turn_has_a_first_request() -> None:
    outbox, written = Outbox(asyncio.get_running_loop()), list[str]()
    outbox.put(lambda: written.append("one"))
    await checkpoint()
    outbox.put(lambda: written.append("two"))
    assert written == ["one", "two"]


async def test_many_requests_do_not_wait_for_the_end_of_the_turn() -> None:
    outbox, written = Outbox(asyncio.get_running_loop()), list[int]()
    for number in range(2 * MOST_WAITING + 2):
        outbox.put(lambda number=number: written.append(number))  # type: ignore[misc]
        assert number - len(written) < MOST_WAITING
    await checkpoint()
    assert written == list(range(2 * MOST_WAITING + 2))


@pytest.mark.parametrize("status", [200, 204, 302, 399])
async def test_a_good_answer_while_the_request_waits_is_none(status: int) -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)
    with connected(outbox) as (connection, wire):
        connection.start(REQUEST, b"{}")
        connection.data_received(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode())
        with pytest.raises(ReplyError):
            await connection.wait()
        assert not wire.is_open
        assert wire.written == b""


async def test_a_connection_is_not_kept_after_a_rejection_of_a_request_that_still_waits() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)
    with connected(outbox) as (connection, _):
        connection.start(REQUEST, b"{}")
        connection.data_received(b"HTTP/1.1 408 So\r\nContent-Length: 0\r\n\r\n")
        await connection.wait()
        assert not connection.can_be_kept


async def test_a_request_that_is_cancelled_while_it_waits_is_never_sent() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)
    with connected(outbox) as (connection, wire):
        connection.start(REQUEST, b"{}")
        connection.abort()
        await checkpoint()
        assert wire.written == b""


async def test_a_request_that_has_waited_is_answered_like_any_other() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(lambda: None)
    with connected(outbox) as (connection, wire):
        connection.start(REQUEST, b"{}")
        assert wire.written == b""
        await checkpoint()
        assert wire.written == REQUEST + b"2\r\n\r\n{}"
        connection.data_received(LENGTH + b"ok")
        await connection.wait()
        assert connection.take() == [b"ok"]
        assert connection.can_be_kept
