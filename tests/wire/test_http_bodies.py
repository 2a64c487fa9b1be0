"""Bodies: compressed ones, long ones, and those that break off."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from anyio.lowlevel import checkpoint

from aembed import ConnectError, ReplyError
from aembed._settings.http import HttpSettings
from aembed._wire.answer import HANDED_ON_BYTES, MAX_REJECTION_BYTES
from aembed._wire.http import HttpTransport
from aembed.testing import Caps, LoopbackServer
from tests.wire.raw_server import LONG, Collect, post, served


async def test_a_large_request_goes_without_a_warning() -> None:
    async with LoopbackServer(dim=4, caps=Caps()) as server:
        transport = HttpTransport(HttpSettings())
        body = b'{"model": "m", "input": "' + b"text " * 2**20 + b'"}'
        response = await transport.post(f"{server.base_url}/embeddings", body, {}, max_bytes=2**20)
        await transport.aclose()
        assert response.status == 200
        assert server.counters.tokens > 2**20


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


async def test_a_compressed_answer_may_come_in_pieces() -> None:
    body = gzip.compress(b"ok" * 30)
    pieces = [zipped(body)[:-10], zipped(body)[-10:-5], zipped(body)[-5:]]

    def behave(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(pieces[0])
        for moment, piece in enumerate(pieces[1:], 1):
            asyncio.get_running_loop().call_later(moment / 200, writer.write, piece)

    async with served(behave) as (transport, url):
        assert await post(transport, url) == b"ok" * 30
