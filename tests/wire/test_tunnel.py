"""What a proxy may answer to CONNECT, byte by byte, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from aembed import ConnectError, ProviderError, ReplyError
from aembed._wire.answer import MAX_HEAD_BYTES
from aembed._wire.route import Origin, Proxy
from aembed._wire.tunnel import Tunnel

ORIGIN = Origin(is_tls=True, host="api.example", port=8443)
PROXY = Proxy("http", "proxy.example", 3128)


class Written(asyncio.WriteTransport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data


async def opened(*parts: bytes | None, origin: Origin = ORIGIN, proxy: Proxy = PROXY) -> bytes:
    """The request for a tunnel that is there after ``parts``; ``None`` is the end of the connection."""
    tunnel, transport = Tunnel(asyncio.get_running_loop()), Written()
    opening = asyncio.ensure_future(tunnel.open(transport, origin, proxy))
    await asyncio.wait([opening], timeout=0)
    for part in parts:
        if part is None:
            tunnel.connection_lost(None)
        else:
            tunnel.data_received(part)
    await asyncio.wait([opening], timeout=0)
    assert opening.done(), "it waits for more"
    await opening
    return transport.data


def head(status: int, reason: str = "", padding: int = 0) -> bytes:
    return f"HTTP/1.1 {status} {reason}\r\nvia: {'x' * padding}\r\n\r\n".encode()


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_any_success_is_a_tunnel(status: int) -> None:
    assert await opened(head(status)) == (
        b"CONNECT api.example:8443 HTTP/1.1\r\nHost: api.example:8443\r\nUser-Agent: "
        + (await opened(head(status))).split(b"User-Agent: ")[1]
    )


async def test_an_answer_may_come_in_any_pieces() -> None:
    answer = head(100, "Continue") + head(103) + head(200, "Connection established")
    whole = await opened(answer)
    assert await opened(*(answer[at : at + 1] for at in range(len(answer)))) == whole
    assert whole.endswith(b"\r\n\r\n")
    assert b"Proxy-Authorization" not in whole


async def test_the_proxy_gets_its_credentials_and_an_address_its_brackets() -> None:
    proxy = Proxy("http", "proxy.example", 3128, authorization="Basic abc")
    written = await opened(head(200), origin=Origin(is_tls=True, host="::1", port=443), proxy=proxy)
    assert written.startswith(b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n")
    assert b"\r\nProxy-Authorization: Basic abc\r\n" in written


@pytest.mark.parametrize(
    ("status", "retryable"), [(300, False), (302, False), (403, False), (499, False), (500, True), (502, True)]
)
async def test_a_refusal_names_the_host_and_the_reason(status: int, retryable: bool) -> None:
    with pytest.raises(ConnectError, match=f"does not connect to api.example: {status} not today; check") as caught:
        await opened(head(status, "not today"))
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


async def test_a_reason_in_any_bytes_is_a_sentence() -> None:
    with pytest.raises(ConnectError, match=r"does not connect to .*: 403"):
        await opened(b"HTTP/1.1 403 \xff\xfe\r\n\r\n")


@pytest.mark.parametrize(
    "parts",
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n",),
        (b"RTSP/1.0 200 OK\r\n\r\n",),
        (b"HTTP/1.1 99 \r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",),
        (head(200) + b"early",),
        (head(100) + head(200) + b"e",),
        (b"x" * (MAX_HEAD_BYTES + 1),),
        (b"x" * MAX_HEAD_BYTES, b"x"),
        (b"SSH-2.0\r\n\r\n", None),
        (b"SSH-2.0\r\n\r\n", head(200)),
    ],
    ids=range(10),
)
async def test_what_is_no_answer_to_connect_is_no_tunnel(parts: tuple[bytes | None, ...]) -> None:
    with pytest.raises(ReplyError) as caught:
        await opened(*parts)
    assert str(caught.value).startswith("the proxy's answer is not valid HTTP; check http.proxy")


async def test_a_head_may_be_as_long_as_any() -> None:
    await opened(b"HTTP/1.1 200\r\nvia: ", b"x" * (MAX_HEAD_BYTES - 19), b"\r\n\r\n")


async def test_a_proxy_that_hangs_up_is_an_error_only_before_its_answer() -> None:
    for parts in ((None,), (b"HTTP/1.1 200 O", None), (head(100), None)):
        with pytest.raises(ConnectError, match="the proxy closed the connection before it had answered"):
            await opened(*parts)
    with pytest.raises(ProviderError, match="403"):
        await opened(head(403), None)
    with pytest.raises(ReplyError, match="not valid HTTP"):
        await opened(head(200), b"late", None)
