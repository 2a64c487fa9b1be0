"""The transport against a server that speaks in raw bytes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from aembed import BadRequestError, ConnectError, ReplyError
from aembed._wire.answer import MAX_REJECTION_BYTES
from tests.wire.raw_server import LONG, OK, Collect, post, served


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
async def test_the_status_of_a_rejection_survives_its_body(status: int, encoding: str, body: bytes) -> None:
    def reject(request: int, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} No\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)

    async with served(reject) as (transport, url):
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
