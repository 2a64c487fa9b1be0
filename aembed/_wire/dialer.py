"""New connections: name resolution, a socket to the first address that answers, then TLS or a proxy."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, zip_longest
from typing import Any, TypeAlias

import anyio

from aembed._wire.connection import Connection
from aembed._wire.connection_errors import no_handshake, not_connected
from aembed._wire.outbox import Outbox
from aembed._wire.public import NotPublicError, open_public
from aembed._wire.route import Origin
from aembed._wire.tunnel import Tunnel

HEAD_START_S = 0.25
"""Head start of an address before the next one is tried as well, in seconds: RFC 8305 section 5."""

Address: TypeAlias = tuple[Any, ...]
"""Family, kind, protocol, name and address of a socket, as ``getaddrinfo`` gives them."""
OpenSocket: TypeAlias = Callable[[Address], socket.socket]


async def dial(
    origin: Origin,
    tls: ssl.SSLContext | None,
    *,
    timeout: float,
    public_only: bool,
    forget: Callable[[Connection], None],
    outbox: Outbox,
) -> Connection:
    """A new connection to ``origin``, within ``timeout`` seconds.

    Raises:
        ConnectError: there is none. Not retryable: an untrusted certificate, an address that is not allowed.
    """
    host, port = (origin.host, origin.port) if origin.proxy is None else (origin.proxy.host, origin.proxy.port)
    host = origin.socket_path or host
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(timeout):
            with _explained(host, port, is_proxy=origin.proxy is not None):
                if origin.socket_path is None:
                    sock = await connect(host, port, open_public if public_only else open_any)
                else:
                    sock = await connect_unix(origin.socket_path, public_only=public_only)
            connection = Connection(asyncio.get_running_loop(), sock, outbox, is_tls=origin.is_tls, forget=forget)
            if origin.proxy is None or not origin.is_tls:
                await _serve(connection, sock, origin, tls)
            else:
                await _tunnel(connection, sock, origin, tls)
            return connection
    except TimeoutError as error:
        _close(sock)
        if sock is not None and origin.is_tls and origin.proxy is None:
            raise no_handshake(host, port) from None
        raise not_connected(error, host, port, is_proxy=origin.proxy is not None) from None
    except BaseException:  # a cancellation too: until the connection is returned, only this closes the socket
        _close(sock)
        raise


async def _serve(connection: Connection, sock: socket.socket, origin: Origin, tls: ssl.SSLContext | None) -> None:
    """Let the connection speak to the server, or to the proxy that forwards its requests."""
    if origin.socket_path is not None:
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=sock)
        return
    peer = origin.proxy or origin
    is_tls = origin.is_tls if origin.proxy is None else origin.proxy.scheme == "https"
    with _explained(peer.host, peer.port, is_proxy=origin.proxy is not None):
        await asyncio.get_running_loop().create_connection(
            lambda: connection, sock=sock, ssl=tls if is_tls else None, server_hostname=peer.host if is_tls else None
        )


async def _tunnel(connection: Connection, sock: socket.socket, origin: Origin, tls: ssl.SSLContext | None) -> None:
    """Let the connection speak TLS to the server, through a proxy that may be reached over TLS itself."""
    proxy, loop = origin.proxy, asyncio.get_running_loop()
    assert proxy is not None
    assert tls is not None
    is_tls = proxy.scheme == "https"
    with _explained(proxy.host, proxy.port, is_proxy=True):
        transport, tunnel = await loop.create_connection(
            lambda: Tunnel(loop), sock=sock, ssl=tls if is_tls else None, server_hostname=proxy.host if is_tls else None
        )
    try:
        await tunnel.open(transport, origin, proxy)
        with _explained(origin.host, origin.port):
            secured = await loop.start_tls(transport, connection, tls, server_hostname=origin.host)
        assert secured is not None, "the proxy's transport was not closed"
        connection.connection_made(secured)
    except BaseException:  # a cancellation too: the TLS handshake does not own the transport yet
        transport.abort()
        raise


async def connect(host: str, port: int, open_socket: OpenSocket) -> socket.socket:
    """A socket that is connected to one of the host's addresses: the first that answers, each with a head start.

    Raises:
        OSError: the name is not known, or no address answers. The error is that of the first one tried.
    """
    found = interleaved(await resolve(host, port))
    if len(found) == 1:
        return await _connect_to(found[0], open_socket)
    winner: socket.socket | None = None
    errors: list[OSError] = []

    async def attempt(address: Address, failed: anyio.Event) -> None:
        nonlocal winner
        try:
            made = await _connect_to(address, open_socket)
        except OSError as error:
            errors.append(error)
            failed.set()
            return
        if winner is None:
            winner = made
            attempts.cancel_scope.cancel()
        else:
            made.close()

    try:
        async with anyio.create_task_group() as attempts:
            for address in found:
                failed = anyio.Event()
                attempts.start_soon(attempt, address, failed)
                with anyio.move_on_after(HEAD_START_S):
                    await failed.wait()
    except BaseException:  # a cancellation that arrives after one attempt has connected
        _close(winner)
        raise
    if winner is None:
        raise errors[0]
    return winner


async def connect_unix(path: str, *, public_only: bool) -> socket.socket:
    """A socket that is connected to a server of this machine, which no public address leads to."""
    if public_only:
        raise NotPublicError("a socket of this machine")
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise OSError(errno.EAFNOSUPPORT, "no Unix sockets")
    return await _connect_to((family, socket.SOCK_STREAM, 0, "", path), open_any)


async def resolve(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host. One that is an address already needs no thread."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def _connect_to(address: Address, open_socket: OpenSocket) -> socket.socket:
    made = open_socket(address)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, address[4])
    except BaseException:  # another attempt has won, which cancels this one
        made.close()
        raise
    return made


def interleaved(found: Sequence[Address]) -> list[Address]:
    """The addresses of both families by turns, beginning with the one that the system prefers: RFC 8305 section 4."""
    preferred = [address for address in found if address[0] == found[0][0]]
    others = [address for address in found if address[0] != found[0][0]]
    return [address for address in chain(*zip_longest(preferred, others)) if address is not None]


def open_any(address: Address) -> socket.socket:
    """A socket for an address of any network."""
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


@contextmanager
def _explained(host: str, port: int, *, is_proxy: bool = False) -> Generator[None]:
    """Turn errors of the system into :class:`ConnectError`, but not a timeout, which is the caller's."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        raise not_connected(error, host, port, is_proxy=is_proxy) from None


def _close(sock: socket.socket | None) -> None:
    """Close it now. Where the loop has closed it already this is harmless: no other socket has its number yet."""
    if sock is not None:
        with suppress(OSError):
            sock.close()
