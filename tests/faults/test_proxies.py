"""Cases 97 and 98: faults of TLS and of proxies, each with its own message and remedy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aembed import (
    AembedError,
    Config,
    ConfigError,
    ConnectError,
    EmbedderFactory,
    HttpSettings,
    ReplyError,
    RetryPolicy,
)
from tests.faults.privacy import KEY, TEXTS, assert_private

PASSWORD = "proxy-password-never-to-be-seen"


@asynccontextmanager
async def speaking(answer: bytes) -> AsyncGenerator[int]:
    """A server on a separate port that gives every client the same answer."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def failed(base_url: str, **http: Any) -> AembedError:
    """The error of a query, or its vector."""
    async with EmbedderFactory(Config()) as factory:
        embedder = await factory.new_embedder(
            "openai:m", base_url=base_url, api_key=KEY, retry=RetryPolicy(max_attempts=1), http=HttpSettings(**http)
        )
        with pytest.raises(AembedError) as caught:
            await embedder.embed_query(TEXTS[0])
    assert_private(caught.value, embedder)
    assert PASSWORD not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    return caught.value


def reply(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


async def test_fault_97_a_port_without_tls() -> None:
    async with speaking(reply("400 Bad Request")) as port:
        error = await failed(f"https://127.0.0.1:{port}/v1")
    assert type(error) is ConnectError
    assert not error.retryable
    assert f"127.0.0.1:{port} does not speak TLS; check the port, or let base_url begin with http://" in str(error)


async def test_fault_97_a_port_that_is_silent_about_tls() -> None:
    """As a server that waits for the end of a plain request."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = await failed(f"https://127.0.0.1:{port}/v1", connect_timeout=0.05)
    assert type(error) is ConnectError
    assert f"127.0.0.1:{port} began no TLS within connect_timeout; check the port, or let base_url begin" in str(error)


async def test_fault_97_a_port_with_tls() -> None:
    async with speaking(b"\x15\x03\x01\x00\x02\x02\x46") as port:
        error = await failed(f"http://127.0.0.1:{port}/v1")
    assert type(error) is ReplyError
    assert "not valid HTTP; base_url may have to begin with https://" in str(error)


PROXIES = {
    "fault_98_connect_refused": ("403 Forbidden", "the proxy does not connect to api.example: 403 Forbidden", False),
    "fault_98_no_way": ("502 Bad Gateway", "the proxy does not connect to api.example: 502 Bad Gateway", True),
    "fault_98_password": ("407 No", "the proxy wants a user and password, or others than it got", False),
    "fault_98_it_repeats_the_password": (f"403 \x1b[31m{PASSWORD}", "api.example: 403 ", False),
    "fault_98_it_repeats_the_key": (f"403 {KEY.upper()}", "api.example: 403 ", False),
}


@pytest.mark.parametrize(("status", "says", "retryable"), PROXIES.values(), ids=PROXIES)
async def test_a_proxy_that_does_not_connect(status: str, says: str, retryable: bool) -> None:
    async with speaking(reply(status)) as port:
        error = await failed("https://api.example/v1", proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}")
    assert type(error) is ConnectError
    assert error.retryable is retryable
    assert says in str(error)
    assert KEY.upper() not in str(error)
    assert str(error).isprintable()


async def test_fault_98_a_password_is_wanted_for_plain_http_too() -> None:
    async with speaking(reply("407 Proxy Authentication Required")) as port:
        error = await failed("http://api.example/v1", proxy=f"http://127.0.0.1:{port}", allow_key_over_http=True)
    assert type(error) is ConnectError
    assert "the proxy wants a user and password" in str(error)


async def test_fault_98_a_dead_proxy(unused_tcp_port: int) -> None:
    error = await failed("https://api.example/v1", proxy=f"http://user:{PASSWORD}@127.0.0.1:{unused_tcp_port}")
    assert type(error) is ConnectError
    assert f"no connection to the proxy 127.0.0.1:{unused_tcp_port}" in str(error)


async def test_fault_98_a_proxy_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = await failed("https://api.example/v1", proxy=f"http://127.0.0.1:{port}", connect_timeout=0.05)
    assert type(error) is ConnectError
    assert f"no connection through the proxy 127.0.0.1:{port} within connect_timeout; check http.proxy" in str(error)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "https://", "http://127.0.0.1:99999"])
async def test_a_proxy_of_the_environment_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "exempt.example")
    error = await failed("https://api.example/v1", trust_env=True)
    assert type(error) is ConfigError
    assert "HTTPS_PROXY names a proxy that does not begin with http:// or https://" in str(error)
    assert type(await failed("https://exempt.example/v1", trust_env=True)) is not ConfigError
