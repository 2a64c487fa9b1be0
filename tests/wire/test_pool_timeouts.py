"""When a pool closes connections, to the second: those nobody uses, and those whose server says nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from typing import Any

import anyio
import pytest

from aembed import HttpSettings, RequestTimeoutError
from aembed._wire.connection import Connection
from aembed._wire.pool import IDLE_S, Pool
from aembed._wire.route import Origin
from tests.wire.one_answer import HEAD, LENGTH, REQUEST, Wire

pytestmark = pytest.mark.virtual_time

SERVER = Origin(is_tls=False, host="h", port=80)


class Line(Wire):
    """Ends its connection as a loop does: in the next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.closed_at: float | None = None
        self.connection: Connection

    def abort(self) -> None:
        if self.closed_at is None:
            loop = asyncio.get_running_loop()
            self.closed_at = loop.time()
            loop.call_soon(self.connection.connection_lost, None)
        super().abort()


class Lines:
    """Dials without a network, and keeps the other ends."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.servers: list[socket.socket] = []

    async def dial(self, *_: Any, forget: Callable[[Connection], None], outbox: Any, **__: Any) -> Connection:
        near, far = socket.socketpair()
        self.sockets.append(near)
        self.servers.append(far)
        line = Line()
        line.connection = Connection(asyncio.get_running_loop(), near, outbox, is_tls=False, forget=forget)
        line.connection.connection_made(line)
        return line.connection


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Generator[Lines]:
    lines = Lines()
    monkeypatch.setattr("aembed._wire.pool.dial", lines.dial)
    yield lines
    for each in (*lines.sockets, *lines.servers):
        each.close()


def line_of(connection: Connection) -> Line:
    line = connection._transport
    assert isinstance(line, Line)
    return line


async def ask(connection: Connection, said: bytes = LENGTH + b"ok") -> None:
    """Send a request, and read its answer."""
    connection.start(REQUEST, b"{}")
    await anyio.lowlevel.checkpoint()  # it goes out by the end of the turn
    connection.data_received(said)
    connection.take()


async def used(pool: Pool) -> Connection:
    """A connection that has served a request and is free."""
    connection = pool.take(SERVER) or await pool.dial(SERVER, None)
    await ask(connection)
    pool.give_back(connection, SERVER)
    return connection


async def passed(seconds: float) -> None:
    """Let time pass; timers that are due at its end fire first."""
    await anyio.sleep(seconds)
    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("read_timeout", [0.5, 60.0, 600.0])
async def test_an_idle_connection_is_closed_after_a_minute(lines: Lines, read_timeout: float) -> None:
    pool = Pool(HttpSettings(read_timeout=read_timeout))
    connection = await used(pool)
    await passed(25.0)
    assert await used(pool) is connection
    await passed(2 * IDLE_S)
    assert IDLE_S == 60.0
    assert line_of(connection).closed_at == pytest.approx(85.0)
    assert pool.take(SERVER) is None


@pytest.mark.parametrize("read_timeout", [5.0, 90.0])
async def test_a_server_may_be_silent_for_so_long(lines: Lines, read_timeout: float) -> None:
    """From the last byte on, and whatever other connections do meanwhile."""
    pool = Pool(HttpSettings(read_timeout=read_timeout))
    connection = await pool.dial(SERVER, None)
    await used(pool)
    connection.start(REQUEST, b"{}")
    waiting = asyncio.ensure_future(asyncio.wait_for(connection.wait(), 1000.0))
    await passed(3.0)
    connection.data_received(HEAD)
    with pytest.raises(RequestTimeoutError, match="silent for longer than read_timeout"):
        await waiting
    assert asyncio.get_running_loop().time() == pytest.approx(3.0 + read_timeout)
    await pool.aclose()


@pytest.mark.parametrize("said", [LENGTH + b"ok", HEAD + b"Content-Length: 9999999\r\n\r\n" + b"x" * 2**20])
async def test_a_slow_reader_is_no_silence_of_the_server(lines: Lines, said: bytes) -> None:
    """The answer is there, or so much of it that the server has to wait."""
    pool = Pool(HttpSettings(read_timeout=5.0))
    connection = await pool.dial(SERVER, None)
    connection.start(REQUEST, b"{}")
    connection.data_received(said)
    await passed(100.0)
    assert not connection.is_closed
    await connection.wait()
    assert said.endswith(b"".join(connection.take()))
    silent_since = asyncio.get_running_loop().time()
    if connection.is_complete:
        pool.give_back(connection, SERVER)
    await passed(4.5)
    assert not connection.is_closed
    await passed(100.0)
    allowed = IDLE_S if connection.is_complete else 5.0
    assert line_of(connection).closed_at == pytest.approx(silent_since + allowed)


async def test_each_of_several_connections_has_its_own_time(lines: Lines) -> None:
    pool = Pool(HttpSettings(read_timeout=600.0))
    together = [await pool.dial(SERVER, None) for _ in range(3)]
    for connection in together:
        connection.start(REQUEST, b"{}")
    for seconds, connection in zip((10.0, 15.0), together, strict=False):
        await passed(seconds)
        connection.data_received(LENGTH + b"ok")
        pool.give_back(connection, SERVER)
    await passed(700.0)
    assert [line_of(connection).closed_at for connection in together] == pytest.approx([70.0, 85.0, 600.0])


async def test_the_connection_that_was_used_last_is_used_next(lines: Lines) -> None:
    """So that those beyond the need grow old."""
    pool = Pool(HttpSettings())
    first, second = [await pool.dial(SERVER, None) for _ in range(2)]
    for connection in (first, second):
        await ask(connection)
        pool.give_back(connection, SERVER)
    assert pool.take(SERVER) is second
    assert pool.take(SERVER) is first
    assert pool.take(SERVER) is None
    assert pool.take(Origin(is_tls=True, host="h", port=443)) is None
    pool.abandon()
    await passed(0.0)


async def test_a_free_connection_that_its_server_has_left_is_closed(lines: Lines) -> None:
    pool = Pool(HttpSettings())
    kept, left = [await pool.dial(SERVER, None) for _ in range(2)]
    for connection in (kept, left):
        await ask(connection)
        pool.give_back(connection, SERVER)
    lines.servers[1].close()
    assert pool.take(SERVER) is kept
    assert (left.is_closed, kept.is_closed) == (True, False)
    await pool.aclose()


async def test_without_connections_no_timer_is_left(lines: Lines) -> None:
    """A loop that waits for nothing else would wake every minute for ever; the next connection sets it again."""
    pool = Pool(HttpSettings())
    for _ in range(2):
        connection = await used(pool)
        await passed(2 * IDLE_S)
        assert connection.is_closed
        assert pool._timer is None


async def test_a_connection_that_cannot_be_kept_is_closed(lines: Lines) -> None:
    pool = Pool(HttpSettings())
    asked_to_close, of_a_closed_pool = [await pool.dial(SERVER, None) for _ in range(2)]
    for connection, said in ((asked_to_close, b"Connection: close\r\n"), (of_a_closed_pool, b"")):
        await ask(connection, HEAD + said + b"Content-Length: 0\r\n\r\n")
    pool.give_back(asked_to_close, SERVER)
    assert (asked_to_close.is_closed, pool.take(SERVER)) == (True, None)
    pool._end()
    pool.give_back(of_a_closed_pool, SERVER)
    assert (of_a_closed_pool.is_closed, pool.take(SERVER)) == (True, None)
    late = await pool.dial(SERVER, None)
    assert late.is_closed, "nothing else would close it"
    await passed(0.0)


async def test_a_reader_that_takes_late_gives_the_server_no_more_time(lines: Lines) -> None:
    """Silence counts from the last byte, not from when it is read."""
    pool = Pool(HttpSettings(read_timeout=5.0))
    connection = await pool.dial(SERVER, None)
    connection.start(REQUEST, b"{}")
    await anyio.lowlevel.checkpoint()
    connection.data_received(HEAD + b"Content-Length: 9999999\r\n\r\n" + b"x" * 2**19)
    await passed(3.0)
    await connection.wait()
    connection.take()
    await passed(10.0)
    assert line_of(connection).closed_at == pytest.approx(5.0)
