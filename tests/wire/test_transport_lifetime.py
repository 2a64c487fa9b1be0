"""A transport: what it reads before its first request, what it sends, and what it leaves when it is closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import pytest

from aembed import ConnectError
from aembed._settings.http import HttpSettings
from aembed._wire.answer import HANDED_ON_BYTES
from aembed._wire.connection import SLICE_BYTES
from aembed._wire.http import HttpTransport
from aembed._wire.proxies import way_to
from aembed.testing import LoopbackServer
from aembed.testing.faults import Hang
from tests.faults.case import settled
from tests.wire.ports import full, silent
from tests.wire.raw_server import OK, Collect, post, served


@asynccontextmanager
async def reading(lengths: list[int]) -> AsyncGenerator[str]:
    """A server that notes how many bytes of body each connection brings."""
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0]))
        writer.write(OK)
        lengths.append(len(body) + len(await reader.read()))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**22)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()
    await server.wait_closed()
    await asyncio.gather(*(task for task in talks if task))


@pytest.mark.parametrize("length", [SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES])
async def test_a_body_of_any_length_is_sent_once(length: int) -> None:
    lengths: list[int] = []
    async with reading(lengths) as url:
        transport = HttpTransport(HttpSettings())
        response = await transport.post(url, b"x" * length, {}, max_bytes=100)
        assert response.body == b"ok"
        await transport.aclose()
    assert lengths == [length]


@pytest.mark.parametrize(("length", "is_sunk"), [(HANDED_ON_BYTES - 1, False), (HANDED_ON_BYTES, True)])
async def test_an_answer_of_half_a_mebibyte_is_handed_on(length: int, is_sunk: bool) -> None:
    assert HANDED_ON_BYTES == 2**19
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (length, b"x" * length)
    async with served(lambda _, writer: writer.write(answer)) as (transport, url):
        sink = Collect()
        response = await transport.post(url, b"{}", {}, max_bytes=length, sink=sink)
        assert sink.begun is is_sunk
        assert b"".join(sink.taken) + response.body == b"x" * length


async def test_a_closed_transport_opens_again_for_the_next_request() -> None:
    async with LoopbackServer(dim=4) as server:
        transport, url = HttpTransport(HttpSettings()), f"{server.base_url}/embeddings"
        for number in (1, 2, 3):
            await transport.post(url, b'{"model": "m", "input": "text"}', {}, max_bytes=2**20)
            assert server.counters.connections_opened == number
            await transport.aclose()
            await settled(lambda: server.counters.connections == 0, "a connection is left open")
        await transport.aclose()


async def test_a_request_that_is_cancelled_takes_its_connection_with_it() -> None:
    """An answer could still come, and be taken for that of the next request."""
    async with LoopbackServer(dim=4, faults=[Hang()]) as server:
        transport, url = HttpTransport(HttpSettings()), f"{server.base_url}/embeddings"
        asking = asyncio.ensure_future(transport.post(url, b'{"model": "m", "input": "text"}', {}, max_bytes=2**20))
        await settled(lambda: server.counters.requests == 1, "no request")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await settled(lambda: server.counters.connections == 0, "its connection is left open")
        await transport.aclose()


async def test_a_transport_that_nobody_holds_closes_its_connections() -> None:
    async with LoopbackServer(dim=4) as server:
        transport = HttpTransport(HttpSettings())
        await transport.post(f"{server.base_url}/embeddings", b'{"model": "m", "input": "text"}', {}, max_bytes=2**20)
        assert server.counters.connections == 1
        del transport
        gc.collect()
        await settled(lambda: server.counters.connections == 0, "a connection is left open")


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # of asyncio, for the loop closed in a hurry
def test_closing_ends_the_connections_of_a_loop_that_is_closed() -> None:
    def leave() -> HttpTransport:
        transport, loop = HttpTransport(HttpSettings()), asyncio.new_event_loop()
        url = f"{server.base_url}/embeddings"
        loop.run_until_complete(transport.post(url, b'{"model": "m", "input": "text"}', {}, max_bytes=2**20))
        loop.close()
        return transport

    async def close(transport: HttpTransport) -> None:
        await transport.aclose()
        await settled(lambda: server.counters.connections == 0, "a closed loop leaves connections behind")

    with LoopbackServer(dim=4) as server:
        asyncio.run(close(leave()))
    gc.collect()


@pytest.mark.parametrize("trust_env", [True, False])
async def test_the_environment_is_read_in_a_thread_and_only_if_it_is_trusted(
    trust_env: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading ``.netrc`` and the system's proxies may take a while; without them a thread would."""
    threads: list[int] = []

    def noted(*given: Any, **options: Any) -> Any:
        threads.append(threading.get_ident())
        return way_to(*given, **options)

    monkeypatch.setattr("aembed._wire.http.way_to", noted)
    async with served(lambda _, writer: writer.write(OK)) as (_, url):
        transport = HttpTransport(HttpSettings(trust_env=trust_env))
        for _ in range(2):
            assert await post(transport, url) == b"ok"
        await transport.aclose()
    (thread,) = threads
    assert (thread != threading.get_ident()) is trust_env


@pytest.mark.parametrize("proxied", [False, True])
async def test_certificates_are_not_read_where_nothing_speaks_tls(
    proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aembed._wire.http._tls_context", lambda _: pytest.fail("certificates were read"))
    async with served(lambda _, writer: writer.write(OK)) as (_, url):
        transport = HttpTransport(HttpSettings(proxy=url.rstrip("/") if proxied else None))
        assert await post(transport, "http://server.example/" if proxied else url) == b"ok"
        await transport.aclose()


@pytest.mark.parametrize(
    ("port", "url", "proxy", "says"),
    [
        (full, "http://127.0.0.1:{}/", None, "no connection within connect_timeout; check base_url and the network"),
        (full, "https://127.0.0.1:{}/", None, "no connection within connect_timeout; check base_url and the network"),
        (silent, "https://127.0.0.1:{0}/", None, "127.0.0.1:{0} began no TLS within connect_timeout; check the port, "),
        (silent, "https://h/", "http://127.0.0.1:{}", "no connection through the proxy 127.0.0.1:{} within connect_ti"),
        (silent, "http://h/", "https://127.0.0.1:{}", "no connection through the proxy 127.0.0.1:{} within connect_ti"),
    ],
)
async def test_a_timeout_names_the_step_that_took_too_long(
    port: Callable[[], AbstractContextManager[int]], url: str, proxy: str | None, says: str
) -> None:
    with port() as number:
        given = None if proxy is None else proxy.format(number)
        transport = HttpTransport(HttpSettings(connect_timeout=0.05, proxy=given))
        with pytest.raises(ConnectError) as caught:
            await post(transport, url.format(number))
        assert str(caught.value).startswith(says.format(number))
        assert caught.value.retryable
        await transport.aclose()
