"""The ways to a server: TLS, proxies with and without it, one within the other, Unix sockets, several addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from aembed import ConfigError, ConnectError, HttpSettings, RetryPolicy
from aembed._wire.dialer import Address, connect, interleaved, open_any
from aembed.testing import Authority, LoopbackServer
from tests.cancel import cancel_at
from tests.faults.case import DIM, Case, assert_outcome, attempt, embedding, settled
from tests.faults.privacy import KEY, TEXTS, assert_private

ONCE: dict[str, Any] = {"retry": RetryPolicy(max_attempts=1)}


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Tunnels:
    """A proxy that connects to wherever it is asked to, or that leads all to one address."""

    def __init__(
        self, tls: ssl.SSLContext | None = None, to: tuple[str, int] | None = None, early: bytes = b""
    ) -> None:
        self.heads: list[str] = []
        self._tls, self._to, self._early = tls, to, early
        self._tasks: set[asyncio.Task[Any] | None] = set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        try:
            with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):  # the end of the test
                await self._lead(reader, writer)
        finally:
            writer.transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._to or ("", 0)
        if self._to is None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            host, _, end = head.split()[1].partition(":")
            port = int(end)
            writer.write(b"HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n" + self._early)
            if self._early:
                await reader.read()  # until the client has closed
                return
        inward, outward = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(relay(reader, outward), relay(inward, writer))
        finally:
            outward.transport.abort()

    @asynccontextmanager
    async def at(self, path: str | None = None) -> AsyncGenerator[str]:
        if path is None:
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._tls)
            name = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        else:
            server, name = await asyncio.start_unix_server(self._talk, path), path
        yield name
        server.close()
        for task in self._tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in self._tasks if task), return_exceptions=True)
        await server.wait_closed()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_tunnel_through_a_proxy(scheme: str, tmp_path: Path) -> None:
    """TLS to the server, and over ``https`` TLS to the proxy around it. The key is not for the proxy to see."""
    authority = Authority()
    proxy = Tunnels(authority.context() if scheme == "https" else None)
    ca_file = authority.write(tmp_path / "ca.pem")
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=authority.context()) as server:
        async with proxy.at() as name:
            http = HttpSettings(ca_file=ca_file, proxy=f"{scheme}://user:pw@{name}")
            async with embedding(server, http=http, **ONCE) as embedder:
                for _ in range(2):
                    assert_outcome(Case(), *await attempt(embedder))
        assert server.counters.connections_opened == 1
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpwdw==\r\n" in head
    assert KEY not in head


async def test_a_proxys_answer_is_not_taken_for_the_servers(tmp_path: Path) -> None:
    authority = Authority()
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=authority.context()) as server:
        async with Tunnels(early=b"\x16\x03").at() as name:
            http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"), proxy=f"http://{name}")
            async with embedding(server, http=http, **ONCE) as embedder:
                result, error = await attempt(embedder)
                assert error is not None
                assert "not valid HTTP" in str(error)
                assert_private(error, result)
        assert server.counters.requests == 0


async def test_a_tunnel_to_the_wrong_server_is_not_used(tmp_path: Path) -> None:
    authority = Authority()
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=authority.context("another.example")) as server:
        async with Tunnels().at() as name:
            http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"), proxy=f"http://{name}")
            async with embedding(server, http=http, **ONCE) as embedder:
                _, error = await attempt(embedder)
                assert isinstance(error, ConnectError)
                assert "no trusted TLS connection to 127.0.0.1: its certificate is for another name" in str(error)
        assert server.counters.requests == 0


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets on this system")
@pytest.mark.parametrize("form", ["unix:{}:/v1", "http+unix://{quoted}/v1"])
async def test_a_server_behind_a_unix_socket(form: str, tmp_path: Path) -> None:
    path = str(tmp_path / "Server.sock")
    base_url = form.format(path, quoted=path.replace("/", "%2F"))
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        async with Tunnels(to=("127.0.0.1", server.port)).at(path):
            async with embedding(server, base_url=base_url, **ONCE) as embedder:
                assert_outcome(Case(), *await attempt(embedder))
            async with embedding(server, base_url=base_url, http=HttpSettings(public_only=True), **ONCE) as embedder:
                _, error = await attempt(embedder)
                assert isinstance(error, ConnectError)
                assert "not on the public internet" in str(error)
        assert server.counters.requests == 1


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets on this system")
async def test_a_unix_socket_that_is_not_there() -> None:
    with LoopbackServer("openai", dim=DIM, api_key=KEY) as server:
        async with embedding(server, base_url="unix:/nowhere/x.sock", **ONCE) as embedder:
            _, error = await attempt(embedder)
            assert str(error).startswith("no connection to /nowhere/x.sock: No such file or directory")
        with pytest.raises(ConfigError, match="must name a Unix socket by its full path"):
            async with embedding(server, base_url="unix:x.sock"):
                pass


async def test_cancelled_anywhere_on_the_way_through_tls(tmp_path: Path) -> None:
    """Dialling, the greeting of TLS and the request: at every suspension, and then a request succeeds."""
    authority = Authority()
    http = HttpSettings(ca_file=authority.write(tmp_path / "ca.pem"))
    with LoopbackServer("openai", dim=DIM, api_key=KEY, tls=authority.context()) as server:
        for suspension in range(1, 100):
            async with embedding(server, http=http, **ONCE) as embedder:
                cancelled = await cancel_at(suspension, embedder.embed_documents(TEXTS))
                if cancelled:
                    await settled(lambda: server.counters.connections == 0, "a connection is left")
            if not cancelled:
                break
        assert suspension > 3, "it never waited for anything"
        async with embedding(server, http=http, **ONCE) as embedder:
            assert_outcome(Case(), *await attempt(embedder))


async def test_an_address_that_does_not_answer_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two addresses is dead; the error is that of the first where neither answers."""
    with socket.create_server(("127.0.0.1", 0)) as alive, socket.socket() as dead:
        dead.bind(("127.0.0.2", 0))
        found = [address_of(dead), address_of(alive)]

        async def resolve(host: str, port: int) -> Sequence[Address]:
            return found

        monkeypatch.setattr("aembed._wire.dialer.resolve", resolve)
        with await connect("both.example", 0, open_any) as made:
            assert made.getpeername() == alive.getsockname()
        del found[1]
        found.append(found[0])
        with pytest.raises(ConnectionRefusedError):
            await connect("neither.example", 0, open_any)


def address_of(sock: socket.socket) -> Address:
    return (sock.family, sock.type, 0, "", sock.getsockname())


def test_families_take_turns() -> None:
    four = [(socket.AF_INET, 1, 6, "", (f"10.0.0.{n}", 1)) for n in range(3)]
    six = [(socket.AF_INET6, 1, 6, "", (f"::{n}", 1, 0, 0)) for n in range(1)]
    assert interleaved([*six, *four]) == [six[0], four[0], four[1], four[2]]
    assert interleaved([*four, *six]) == [four[0], six[0], four[1], four[2]]
