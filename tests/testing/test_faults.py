"""Faults are played as they say, seen from the socket; and a server runs in a thread as well as in a loop."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio.lowlevel import checkpoint

from aembed import MissingExtraError
from aembed.testing import Authority, LoopbackServer
from aembed.testing.faults import (
    TRANSIENT,
    Answer,
    BadChunk,
    Close,
    EndlessHeaders,
    Fault,
    Garbage,
    GzipBomb,
    Hang,
    HugeBody,
    Late,
    Redirect,
    Reset,
    Rewrite,
    SlowBody,
    Stage,
    StaleKeepAlive,
    Status,
    Step,
    Surplus,
    Truncate,
    Understate,
    at_random,
)
from aembed.testing.fixtures import Serve
from aembed.testing.fixtures import loopback as loopback  # noqa: PLC0414  # a fixture is found by its name
from tests.testing.client import connected, request

ASK = request("/v1/embeddings", {"model": "m", "input": "text"})


def talk(server: LoopbackServer, *requests: bytes) -> bytes:
    """Bytes received until the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"".join(requests))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def good(server_dim: int = 4) -> bytes:
    with LoopbackServer(dim=server_dim) as server:
        return talk(server, ASK).partition(b"\r\n\r\n")[2]


async def ask(fault: Fault) -> bytes:
    """The answer to one request, to the end that the server makes."""
    async with LoopbackServer(dim=4, faults=[fault]) as server, connected(server) as client:
        client.writer.write(ASK)
        return await client.reader.read()


@pytest.mark.parametrize("at", ["accept", "request", "headers", "body"])
async def test_a_reset_is_one(at: Stage) -> None:
    async with LoopbackServer(dim=4, faults=[Reset(at)]) as server, connected(server) as client:
        client.writer.write(ASK)
        with pytest.raises(ConnectionError):
            await client.reader.read()
        assert server.log[0].reason == f"fault: Reset(at='{at}')"
        assert (server.counters.faults, server.counters.requests) == (1, at in {"headers", "body"})
        if at in {"accept", "request"}:
            entry = server.log[0]
            assert (entry.connection, entry.inputs, entry.tokens, entry.status) == (1, 0, 0, 0)


@pytest.mark.parametrize(("at", "length"), [("request", 0), ("headers", 0), ("body", None)])
async def test_a_close_is_in_good_order(at: Stage, length: int | None) -> None:
    answer = await ask(Close(at))
    body = answer.partition(b"\r\n\r\n")[2]
    assert len(answer) == length if length is not None else 0 < len(body) < len(good())


async def test_a_request_is_spoilt_at_its_first_bytes() -> None:
    async with LoopbackServer("openai", faults=[Reset("request")]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(ASK[:10])
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        assert server.log[0].reason == "fault: Reset(at='request')"


async def test_a_truncated_body_and_bytes_that_are_too_many() -> None:
    assert good().startswith((await ask(Truncate())).partition(b"\r\n\r\n")[2])
    async with LoopbackServer(dim=4, faults=[Understate(3), Surplus(b"more")]) as server, connected(server) as client:
        short = await client.embed("text")
        assert short.body == good()[:-3]
        assert await client.reader.readexactly(3) == good()[-3:]
        assert (await client.embed("text")).body == good()
        assert await client.reader.readexactly(4) == b"more"
        assert (await client.embed("text")).body == good()


async def test_chunks_garbage_redirects_and_statuses() -> None:
    assert b"\r\nzz\r\n" in await talks(BadChunk())
    assert not (await ask(Garbage())).startswith(b"HTTP")
    redirect = await talks(Redirect("http://elsewhere.example/", 308))
    assert redirect.startswith(b"HTTP/1.1 308 Permanent Redirect\r\n")
    assert b"\r\nlocation: http://elsewhere.example/\r\n" in redirect
    rejection = await talks(Status(499, {"error": "no"}, {"x-more": "1"}))
    assert rejection.startswith(b"HTTP/1.1 499 Unassigned\r\n")
    assert rejection.endswith(b'\r\ncontent-length: 14\r\n\r\n{"error":"no"}')
    changed = await talks(Rewrite(lambda body: body | {"model": "other"}))
    assert b'"model":"other"' in changed


async def talks(fault: Fault) -> bytes:
    """The answer to a request that asks for the end of the connection with it."""
    async with LoopbackServer(dim=4, faults=[fault]) as server, connected(server) as client:
        client.writer.write(ASK.replace(b"host:", b"connection: close\r\nhost:", 1))
        return await client.reader.read()


async def test_bodies_beyond_all_measure() -> None:
    head, _, body = (await talks(GzipBomb(3_000_000))).partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert len(body) < 10_000
    assert len(gzip.decompress(body)) > 3_000_000
    honest = await talks(HugeBody(10 * 65536, says_so=True))
    assert honest.count(b" " * 65536) == 10
    assert (await talks(HugeBody(300 * 65536))).count(b"10000\r\n") == 300


@pytest.mark.virtual_time
async def test_slow_faults_take_their_time() -> None:
    loop = asyncio.get_running_loop()
    for fault, seconds in ((Late(3.0), 3.0), (SlowBody(2.0, size=1000), 2.0)):
        began = loop.time()
        await talks(fault)
        assert loop.time() - began == pytest.approx(seconds)
    async with LoopbackServer(faults=[EndlessHeaders(5.0)]) as server, connected(server) as client:
        client.writer.write(ASK)
        began = loop.time()
        await client.reader.readuntil(b"x-more-10: and more\r\n")
        assert loop.time() - began == pytest.approx(50.0)


@pytest.mark.parametrize("fault", [Hang(), Hang("body"), EndlessHeaders(), SlowBody(60.0)])
async def test_a_server_ends_in_the_middle_of_any_fault(fault: Fault) -> None:
    async with LoopbackServer(faults=[fault]) as server, connected(server) as client:
        client.writer.write(ASK)
        while not server.counters.faults:
            await checkpoint()
    assert server.counters.connections == 0


async def test_a_stale_connection_serves_no_second_request() -> None:
    async with LoopbackServer(dim=4, faults=[StaleKeepAlive(), Status(500)]) as server:
        async with connected(server) as client:
            assert (await client.embed("text")).status == 200
            client.writer.write(ASK)
            with pytest.raises(ConnectionError):
                await client.reader.read()
        async with connected(server) as client:
            assert (await client.embed("text")).status == 500
        assert server.counters.requests == 2


async def test_a_script_is_a_list_or_a_function_of_the_number() -> None:
    every_third = lambda number: Status(503) if number % 3 == 0 else None  # noqa: E731
    for script in ([None, None, Status(503)], every_third):
        async with LoopbackServer(dim=4, faults=script) as server, connected(server) as client:
            assert [(await client.embed("text")).status for _ in range(4)] == [200, 200, 503, 200]
            assert [entry.status for entry in server.log] == [200, 200, 503, 200]
        counters = server.counters
        assert (counters.requests, counters.inputs, counters.tokens, counters.faults) == (4, 3, 6, 1)
        assert (counters.statuses, counters.requests_per_connection) == ({200: 3, 503: 1}, {1: 4})
        assert (counters.connections_opened, counters.in_flight, counters.max_in_flight) == (1, 0, 1)


async def test_a_fault_of_ones_own() -> None:
    @dataclass(frozen=True)
    class Shouting:
        at: Stage = "headers"

        def play(self, good: Answer) -> Iterator[Step]:
            yield good.head().upper() + good.body

    assert (await talks(Shouting())).startswith(b"HTTP/1.1 200 OK\r\nDATE: ")
    assert (await ask(Shouting("request"))).startswith(b"HTTP/1.1 0 UNASSIGNED\r\n"), "and then the end"


def test_faults_at_random_are_seeded_and_as_many_as_asked() -> None:
    drawn = list(itertools.islice(at_random(0.25, seed=1), 4000))
    assert drawn == list(itertools.islice(at_random(0.25, seed=1), 4000))
    assert 800 < sum(fault is not None for fault in drawn) < 1200
    assert {fault for fault in drawn if fault} >= set(TRANSIENT[:8])


def test_a_server_in_a_thread(loopback: Serve) -> None:
    server = loopback(LoopbackServer(dim=4))
    assert talk(server, ASK, ASK).count(b"HTTP/1.1 200 OK") == 2
    with pytest.raises(OSError, match="in use"), LoopbackServer(port=server.port):
        raise AssertionError("two servers on one port")


def test_certificates_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'aembed\[testing\]'"):
        Authority()


@pytest.mark.parametrize("expired", [False, True])
def test_certificates(tmp_path: Path, expired: bool) -> None:
    authority, other = Authority(), Authority()
    trusting = ssl.create_default_context(cafile=authority.write(tmp_path / "ca.pem"))
    elsewhere = ssl.create_default_context(cafile=other.write(tmp_path / "other.pem"))
    with LoopbackServer(tls=authority.context(expired=expired)) as server:
        assert server.url.startswith("https://")
        for context, host, words in (
            (trusting, "127.0.0.1", "expired" if expired else None),
            (trusting, "localhost", "mismatch"),
            (elsewhere, "127.0.0.1", "unable to get local issuer"),
        ):
            with socket.create_connection(("127.0.0.1", server.port)) as plain:
                if words is None:
                    with context.wrap_socket(plain, server_hostname=host) as secure:
                        not_after = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
                        assert not_after > datetime.now(UTC).timestamp()
                else:
                    with pytest.raises(ssl.SSLCertVerificationError, match=words):
                        context.wrap_socket(plain, server_hostname=host)
