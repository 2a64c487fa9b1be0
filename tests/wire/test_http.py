"""The transport against a server that speaks in raw bytes."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import pytest
from anyio.lowlevel import checkpoint

from aembed import BadRequestError, ConnectError, ReplyError
from aembed._settings.http import HttpSettings
from aembed._wire.answer import HANDED_ON_BYTES, MAX_REJECTION_BYTES
from aembed._wire.http import HttpTransport
from aembed.testing import Caps, LoopbackServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Behave: TypeAlias = Callable[[int, asyncio.StreamWriter], None]
"""Answers, or breaks, request number ``n`` (from 1)."""


@asynccontextmanager
async def served(behave: Behave) -> AsyncGenerator[tuple[HttpTransport, str]]:
    requests = 0
    talks: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        talks.add(asyncio.current_task())
        with suppress(ConnectionResetError):  # the client may have heard enough
            while await reader.read(65536):
                requests += 1
                behave(requests, writer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    transport = HttpTransport(HttpSettings())
    try:
        yield transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await transport.aclose()
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in talks if task))


async def post(transport: HttpTransport, url: str) -> bytes:
    return bytes((await transport.post(url, b"{}", {}, max_bytes=100)).body)


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection as a server does that has forgotten it, or a load balancer."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@pytest.mark.parametrize("close", [reset, asyncio.StreamWriter.close], ids=["reset", "closed"])
async def test_a_connection_that_died_idle_gets_one_new_try(close: Callable[[asyncio.StreamWriter], None]) -> None:
    seen: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        seen.append(number)
        if number == 2:
            close(writer)
        else:
            writer.write(OK)

    async with served(behave) as (transport, url):
        assert [await post(transport, url) for _ in range(2)] == [b"ok", b"ok"]
    assert seen == [1, 2, 3]


async def test_a_new_connection_that_breaks_gets_none() -> None:
    async with served(lambda _, writer: reset(writer)) as (transport, url):
        with pytest.raises(ConnectError, match="the connection broke"):
            await post(transport, url)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://elsewhere.example/?key=1", "redirects to elsewhere.example,"),
        ("/v2", "redirects to another path,"),
        ("http://[bad:1/", "redirects to an invalid address,"),
        ("http://x:99999999/", "redirects to an invalid address,"),
    ],
)
async def test_redirects_are_rejected(location: str, words: str) -> None:
    answer = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
    async with served(lambda _, writer: writer.write(answer)) as (transport, url):
        with pytest.raises(BadRequestError, match=words):
            await post(transport, url)


@pytest.mark.parametrize(
    ("status", "encoding", "body"),
    [(503, "identity", b"<html>" + b"x" * 3_000_000), (401, "gzip", b""), (401, "br", b"no brotli")],
)
async def test_the_status_of_a_refusal_survives_its_body(status: int, encoding: str, body: bytes) -> None:
    def refuse(request: int, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} No\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    async with served(refuse) as (transport, url):
        response = await transport.post(url, b"{}", {}, max_bytes=1000)
        assert response.status == status
        assert len(response.body) <= MAX_REJECTION_BYTES


async def test_a_body_that_turns_into_nonsense_does_not_keep_its_reader_waiting() -> None:
    """aiohttp closes such a connection without a word to the reader, if the head had come before."""

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n")
        asyncio.get_running_loop().call_later(0.01, writer.write, b"zz\r\n")

    async with served(behave) as (transport, url), asyncio.timeout(20):
        with pytest.raises(ReplyError, match="not valid HTTP"):
            await post(transport, url)


async def test_a_large_request_goes_without_a_warning() -> None:
    async with LoopbackServer(dim=4, caps=Caps()) as server:
        transport = HttpTransport(HttpSettings())
        body = b'{"model": "m", "input": "' + b"text " * 2**20 + b'"}'
        response = await transport.post(f"{server.base_url}/embeddings", body, {}, max_bytes=2**20)
        await transport.aclose()
        assert response.status == 200
        assert server.counters.tokens > 2**20


class Collect:
    """A sink that collects the bytes it takes."""

    def __init__(self) -> None:
        self.begun = False
        self.taken: list[bytes] = []

    async def take(self, pieces: list[bytes]) -> None:
        self.begun = True
        self.taken.append(b"".join(pieces))


LONG = b"".join(b"%08d" % number for number in range(300_000))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_long_answer_is_handed_on_while_it_comes_in(encoding: str) -> None:
    body = gzip.compress(LONG) if encoding == "gzip" else LONG
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served(lambda _, writer: writer.write(head + body)) as (transport, url):
        sink = Collect()
        response = await transport.post(url, b"{}", {}, max_bytes=len(LONG), sink=sink)
        assert b"".join(sink.taken) + response.body == LONG
        assert len(response.body) < HANDED_ON_BYTES
        assert min(map(len, sink.taken)) >= HANDED_ON_BYTES
        with pytest.raises(ReplyError, match="larger than"):
            await transport.post(url, b"{}", {}, max_bytes=len(LONG) - 1, sink=Collect())


def zipped(body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


EMPTY_BLOCKS = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 50_000
"""A gzip stream of stored blocks that hold nothing."""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (gzip.compress(b"{}") + b"\0" * 10_000_000, "larger than|behind its end"),
        (gzip.compress(b"{}") + b"\0" * 50, "has bytes after its end"),
        (gzip.compress(b"{}") * 2, "has bytes after its end"),
        (EMPTY_BLOCKS, "larger than"),
        (b"no gzip", "damaged"),
    ],
    ids=["much behind it", "a little behind it", "another behind it", "empty blocks", "damaged"],
)
async def test_compressed_bytes_that_come_to_nothing(body: bytes, says: str) -> None:
    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(zipped(body))

    async with served(behave) as (transport, url):
        with pytest.raises(ReplyError, match=says):
            await post(transport, url)


async def test_others_have_their_turn_while_a_small_body_becomes_a_large_one() -> None:
    body = gzip.compress(b" " * 100 * HANDED_ON_BYTES)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with served(lambda _, writer: writer.write(zipped(body))) as (transport, url):
        await transport.post(url, b"{}", {}, max_bytes=10**9)
        task = asyncio.create_task(take_turns())
        answer = await transport.post(url, b"{}", {}, max_bytes=10**9)
        task.cancel()
    assert len(answer.body) == 100 * HANDED_ON_BYTES
    assert turns > 100


async def test_an_answer_is_not_asked_for_again_when_some_of_it_has_been_taken() -> None:
    seen: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        seen.append(number)
        writer.write(OK if number == 1 else b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + LONG)
        if number == 2:
            writer.close()

    async with served(behave) as (transport, url):
        await post(transport, url)
        sink = Collect()
        with pytest.raises(ConnectError):
            await transport.post(url, b"{}", {}, max_bytes=10**7, sink=sink)
    assert sink.begun
    assert seen == [1, 2]


@pytest.mark.parametrize("status", [299, 300, 399, 400])
async def test_a_redirect_is_any_status_of_that_hundred(status: int) -> None:
    answer = f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nok".encode()
    async with served(lambda _, writer: writer.write(answer)) as (transport, url):
        if status in {299, 400}:
            response = await transport.post(url, b"{}", {}, max_bytes=100)
            assert (response.status, response.body) == (status, b"ok")
        else:
            with pytest.raises(BadRequestError, match="redirects to another path") as caught:
                await post(transport, url)
            assert caught.value.status == status


async def test_a_proxy_in_the_way_that_wants_a_password() -> None:
    answer = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    async with served(lambda _, writer: writer.write(answer)) as (transport, url):
        with pytest.raises(ConnectError, match="the proxy wants a user and password") as caught:
            await post(transport, url)
        assert not caught.value.retryable


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("length", [100, 101])
async def test_an_answer_may_have_so_many_bytes(length: int, close: bool) -> None:
    """Both if its head gives the length, and if the body ends with the connection."""
    head = b"" if close else f"Content-Length: {length}\r\n".encode()

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * length)
        if close:
            writer.close()

    async with served(behave) as (transport, url):
        if length == 100:
            assert await post(transport, url) == b"x" * 100
        else:
            with pytest.raises(ReplyError) as caught:
                await post(transport, url)
            words = "the answer is larger than the 100 bytes these texts can need [status 200]"
            assert (str(caught.value), caught.value.retryable) == (words, False)


@pytest.mark.parametrize(("named", "said"), [("br", "br"), ("Zstd", "zstd"), ("secret", "something unknown")])
async def test_an_encoding_that_was_not_asked_for(named: str, said: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Encoding: {named}\r\nContent-Length: 2\r\n\r\nok".encode()
    async with served(lambda _, writer: writer.write(answer)) as (transport, url):
        with pytest.raises(ReplyError, match=f"the answer is encoded as {said}, which was not asked for"):
            await post(transport, url)


@pytest.mark.parametrize("name", ["X-GZIP", "deflate"])
async def test_compressed_answers(name: str) -> None:
    body = zlib.compress(b"ok") if name == "deflate" else gzip.compress(b"ok")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served(lambda _, writer: writer.write(head + body)) as (transport, url):
        assert await post(transport, url) == b"ok"
    head = head.replace(str(len(body)).encode(), str(len(body) - 1).encode())
    async with served(lambda _, writer: writer.write(head + body[:-1])) as (transport, url):
        with pytest.raises(ConnectError, match="the compressed answer breaks off") as caught:
            await post(transport, url)
        assert caught.value.maybe_billed


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_only_the_beginning_of_a_long_rejection_is_read(encoding: str) -> None:
    plain = b"x" * (MAX_REJECTION_BYTES + 1)
    body = gzip.compress(plain) if encoding == "gzip" else plain
    head = f"HTTP/1.1 400 No\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served(lambda _, writer: writer.write(head + body)) as (transport, url):
        assert await post(transport, url) == b"x" * 2**16


async def test_a_second_try_that_breaks_is_the_last() -> None:
    seen: list[int] = []

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        seen.append(number)
        if number <= 1:
            writer.write(OK)
        else:
            writer.close()

    async with served(behave) as (transport, url):
        await post(transport, url)
        with pytest.raises(ConnectError) as caught:
            await post(transport, url)
    assert seen == [1, 2, 3]
    assert caught.value.maybe_billed


@pytest.mark.parametrize("close", [reset, asyncio.StreamWriter.close], ids=["reset", "closed"])
async def test_the_status_of_a_rejection_survives_a_body_that_breaks_off(
    close: Callable[[asyncio.StreamWriter], None],
) -> None:
    """Else a key that is rejected would look like an outage, and be tried again."""

    def behave(_: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 So\r\nContent-Length: 50\r\n\r\nwrong key")
        asyncio.get_running_loop().call_later(0.01, close, writer)

    async with served(behave) as (transport, url):
        response = await transport.post(url, b"{}", {}, max_bytes=100)
    assert (response.status, bytes(response.body)) == (401, b"wrong key")
