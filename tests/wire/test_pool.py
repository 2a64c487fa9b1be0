"""Which connections are kept, for how long, and which are used again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aembed import ConnectError, HttpSettings, RequestTimeoutError
from aembed._wire import pool as pool_module
from aembed._wire.connection import Connection
from aembed._wire.dialer import dial
from aembed._wire.http import HttpTransport
from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import settled
from tests.wire.raw_server import OK, post, served

BODY = b'{"model": "m", "input": "text"}'


async def ask(transport: HttpTransport, server: LoopbackServer) -> int:
    response = await transport.post(f"{server.base_url}/embeddings", BODY, {}, max_bytes=2**20)
    return response.status


async def test_a_burst_leaves_connections_that_are_used_again() -> None:
    async with LoopbackServer(dim=4) as server:
        transport = HttpTransport(HttpSettings())
        for _ in range(3):
            assert await asyncio.gather(*(ask(transport, server) for _ in range(8))) == [200] * 8
        assert server.counters.connections_opened == 8
        await transport.aclose()


@pytest.mark.parametrize("read_timeout", [0.5, 600.0])
async def test_an_idle_connection_is_closed_in_the_end(read_timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_S", 0.01)
    async with LoopbackServer(dim=4) as server:
        transport = HttpTransport(HttpSettings(read_timeout=read_timeout))
        await asyncio.gather(*(ask(transport, server) for _ in range(4)))
        await settled(lambda: server.counters.connections == 0, "idle connections stay open")
        assert await ask(transport, server) == 200
        await transport.aclose()


async def test_a_connection_that_the_server_has_closed_is_not_tried() -> None:
    """The end has come with the last answer: there is no request to lose."""
    requests: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        requests.append(number)
        writer.write(OK)
        writer.close()

    async with served(behave) as (transport, url):
        for _ in range(4):
            assert await post(transport, url) == b"ok"
    assert requests == [1, 2, 3, 4]


async def test_the_one_new_try_goes_over_a_new_connection() -> None:
    """Several connections may have died idle together: another of them would be no better."""
    requests: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        requests.append(number)
        if number == 4:
            writer.close()
        else:
            asyncio.get_running_loop().call_soon(writer.write, OK)

    async with served(behave) as (transport, url):
        await asyncio.gather(*(post(transport, url) for _ in range(3)))
        assert await post(transport, url) == b"ok"
        assert await post(transport, url) == b"ok"
    assert requests == [1, 2, 3, 4, 5, 6]


async def test_silence_counts_from_the_last_byte_of_each_connection() -> None:
    """One of two requests hangs: it alone times out."""
    async with LoopbackServer(dim=4, faults=[Hang()]) as server:
        transport = HttpTransport(HttpSettings(read_timeout=0.2))
        silent = asyncio.ensure_future(ask(transport, server))
        await settled(lambda: server.counters.requests == 1, "no request")
        for _ in range(3):
            assert await ask(transport, server) == 200
        with pytest.raises(RequestTimeoutError, match="fell silent for longer than read_timeout"):
            await silent
        assert await ask(transport, server) == 200
        await transport.aclose()


async def test_a_reply_before_its_request_is_not_taken_for_the_next() -> None:
    """A server that says more than it was asked, a moment later: the next request goes elsewhere."""
    requests: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        requests.append(number)
        writer.write(OK)
        if number == 1:
            asyncio.get_running_loop().call_later(0.001, writer.write, OK.replace(b"ok", b"no"))

    async with served(behave) as (transport, url):
        assert await post(transport, url) == b"ok"
        loop = asyncio.get_running_loop()
        moment = loop.create_future()
        loop.call_later(0.01, moment.set_result, None)
        await moment
        assert await post(transport, url) == b"ok"
    assert requests == [1, 2]


async def test_closing_ends_requests_under_way() -> None:
    async with LoopbackServer(dim=4, faults=[Hang()]) as server:
        transport = HttpTransport(HttpSettings())
        waiting = asyncio.ensure_future(ask(transport, server))
        await settled(lambda: server.counters.requests == 1, "no request")
        await transport.aclose()
        with pytest.raises(ConnectError):
            await waiting
        await settled(lambda: server.counters.connections == 0, "a connection is left open")


async def test_a_closer_that_is_cancelled_leaves_the_other_waiting() -> None:
    async with LoopbackServer(dim=4) as server:
        transport = HttpTransport(HttpSettings())
        await asyncio.gather(*(ask(transport, server) for _ in range(3)))
        pool = transport._pool
        assert pool is not None
        first, second = (asyncio.ensure_future(pool.aclose()) for _ in range(2))
        await asyncio.wait([first], timeout=0)
        first.cancel()
        await second
        assert first.cancelled()
        await settled(lambda: server.counters.connections == 0, "a connection is left open")


async def test_a_connection_that_is_lost_while_it_is_made_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = set[pool_module.Pool]()

    async def dial_and_lose(*args: Any, **options: Any) -> Connection:
        pools.add(options["forget"].__self__)
        connection = await dial(*args, **options)
        connection.abort()
        await connection.gone
        return connection

    monkeypatch.setattr("aembed._wire.pool.dial", dial_and_lose)
    async with served(lambda _, writer: writer.write(OK)) as (transport, url):
        with pytest.raises(ConnectError):
            await post(transport, url)
        (pool,) = pools
        assert not pool._all
