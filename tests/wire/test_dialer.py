"""Which of a host's addresses is connected to, and when each is tried: RFC 8305."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from aembed._wire import dialer
from aembed._wire.dialer import Address, OpenSocket, connect, open_any, resolve
from aembed._wire.http import _tls_context
from aembed.testing import Authority


class Network:
    """Addresses that connect, or fail, after their seconds; ``None`` never does either."""

    def __init__(self, *addresses: tuple[float | None, OSError | None]) -> None:
        self._addresses = addresses
        self.tried: list[tuple[int, float]] = []
        """Number of the address, and when it was tried."""
        self.made: list[socket.socket] = []
        self.cancelled: list[int] = []

    async def resolve(self, _host: str, _port: int) -> Sequence[Address]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", number) for number in range(len(self._addresses))]

    async def connect_to(self, address: Address, _open: OpenSocket) -> socket.socket:
        number = address[4]
        seconds, error = self._addresses[number]
        self.tried.append((number, anyio.current_time()))
        try:
            await (anyio.sleep_forever() if seconds is None else anyio.sleep(seconds))
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if error is not None:
            raise error
        self.made.append(socket.socket())
        return self.made[-1]

    @property
    def left_open(self) -> list[socket.socket]:
        return [each for each in self.made if each.fileno() >= 0]


def network(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[float | None, OSError | None]) -> Network:
    made = Network(*addresses)
    monkeypatch.setattr(dialer, "resolve", made.resolve)
    monkeypatch.setattr(dialer, "_connect_to", made.connect_to)
    return made


REFUSED, UNREACHABLE = ConnectionRefusedError("refused"), OSError("unreachable")


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("addresses", "tried", "took"),
    [
        ([(1.0, None)], [0.0], 1.0),
        ([(0.2, None), (0.0, None)], [0.0], 0.2),
        ([(0.3, None), (0.0, None)], [0.0, 0.25], 0.25),
        ([(0.1, REFUSED), (0.2, None)], [0.0, 0.1], 0.3),
        ([(None, None), (0.1, None), (0.0, None)], [0.0, 0.25], 0.35),
        ([(None, None), (None, None), (0.1, None)], [0.0, 0.25, 0.5], 0.6),
        ([(0.6, None), (None, None), (0.3, None)], [0.0, 0.25, 0.5], 0.6),
        ([(0.5, REFUSED), (0.3, REFUSED), (0.1, None)], [0.0, 0.25, 0.5], 0.6),
    ],
)
async def test_each_address_has_a_head_start_of_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[tuple[float | None, OSError | None]],
    tried: list[float],
    took: float,
) -> None:
    """A failure ends the head start; the first that answers wins, and the others are given up."""
    at = network(monkeypatch, *addresses)
    with await connect("h", 80, open_any) as made:
        assert anyio.current_time() == pytest.approx(took)
        assert [number for number, _ in at.tried] == list(range(len(tried)))
        assert [when for _, when in at.tried] == pytest.approx(tried)
        assert at.left_open == [made]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("addresses", "error", "took"),
    [
        ([(0.1, UNREACHABLE)], UNREACHABLE, 0.1),
        ([(0.1, REFUSED), (0.1, UNREACHABLE)], REFUSED, 0.2),
        ([(0.4, REFUSED), (0.1, UNREACHABLE)], UNREACHABLE, 0.4),
    ],
)
async def test_where_none_answers_the_first_failure_is_the_error(
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[tuple[float | None, OSError | None]],
    error: OSError,
    took: float,
) -> None:
    network(monkeypatch, *addresses)
    with pytest.raises(OSError, match=str(error)) as caught:
        await connect("h", 80, open_any)
    assert caught.value is error
    assert anyio.current_time() == pytest.approx(took)


@pytest.mark.virtual_time
async def test_of_two_that_answer_together_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    at = network(monkeypatch, (0.5, None), (0.25, None))
    with await connect("h", 80, open_any) as made:
        assert at.left_open == [made]


@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6])
async def test_cancelled_at_any_time_nothing_stays_open(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    at = network(monkeypatch, (None, None), (None, None))
    dialling = asyncio.ensure_future(connect("h", 80, open_any))
    await anyio.sleep(seconds)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert at.left_open == []
    assert sorted(at.cancelled) == [number for number, _ in at.tried]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_is_its_own(host: str) -> None:
    (found,) = await resolve(host, 80)
    assert (found[1], found[4][:2]) == (socket.SOCK_STREAM, (host, 80))


async def test_a_name_has_addresses_for_streams_alone() -> None:
    found = await resolve("localhost", 80)
    assert found
    assert {(address[1], address[4][1]) for address in found} == {(socket.SOCK_STREAM, 80)}


def test_http_is_agreed_upon_in_the_greeting_of_tls(tmp_path: Path) -> None:
    """A server with HTTP/2 as well takes the version that aembed speaks."""
    authority = Authority()
    theirs = authority.context()
    theirs.set_alpn_protocols(["h2", "http/1.1"])
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = theirs.wrap_bio(inward, outward, server_side=True)
    client = _tls_context(authority.write(tmp_path / "ca.pem")).wrap_bio(outward, inward, server_hostname="127.0.0.1")
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert server.selected_alpn_protocol() == "http/1.1"
