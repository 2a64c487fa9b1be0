"""One POST over a pooled connection. With ``body`` and ``connection_errors`` the only importer of aiohttp.

A session is made lazily for each running event loop. Redirects are refused, never followed: a key header must not
reach another host. A kept-alive connection that the server had already closed gets one new try at once, for free.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet, finalize

import aiohttp
import anyio
import anyio.to_thread
from aiohttp.client_proto import ResponseHandler

from aembed._errors import ConfigError
from aembed._settings.http import HttpSettings
from aembed._version import __version__
from aembed._wire.body import PIECES, Incoming, read_body
from aembed._wire.connection_errors import (
    NoHttpError,
    check_proxy_variables,
    redirected,
    refused_by_proxy,
    translate,
)
from aembed._wire.public import open_public
from aembed._wire.transport import BodySink, Response

USER_AGENT = f"aembed/{__version__}"
READ_BUFFER = 2**20
"""Bytes the client takes in before it tells the socket to wait: a reply of a hundred vectors in one go."""
SENT_AT_ONCE = 2**20
"""Bytes of a request that are written in one go; the client writes a file in pieces, with pauses for others."""

_FRESH: ContextVar[bool] = ContextVar("fresh", default=False)
"""Whether this task's request went over a connection made for it."""

RESET = {errno.ECONNRESET, errno.EPIPE}


class HttpTransport:
    """Implements ``Transport`` for one account: its connections are shared by all its embedders."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()
        self._closers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]] = WeakKeyDictionary()
        self._opening = anyio.Lock()
        finalize(self, _abandon, self._sessions, os.getpid())

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        """Send and read the whole answer, whatever its status below 300 or from 400 on.

        Raises:
            ConnectError, RequestTimeoutError: no connection, or it broke; retryable, but for refused certificates.
            ReplyError: the answer is no HTTP, or larger than ``max_bytes`` once inflated.
            BadRequestError: a redirect.
        """
        session = self._sessions.get(asyncio.get_running_loop()) or await self._open(url)
        for is_second in (False, True):
            _FRESH.set(False)
            try:
                response = await session.post(
                    url,
                    data=body if len(body) <= SENT_AT_ONCE else io.BytesIO(body),
                    headers=headers,
                    allow_redirects=False,
                    read_bufsize=None if sink is None else PIECES // 2,
                )
                try:
                    if 300 <= response.status < 400:
                        raise redirected(response.headers.get("Location", ""), response.status)
                    if response.status == 407:
                        raise refused_by_proxy(response.status, "", None)
                    come = Incoming(response.status, response.headers, response.content, response.content_length)
                    return Response(come.status, come.headers, await read_body(come, max_bytes, sink))
                finally:  # what "async with" does by way of three more coroutines
                    response.release()
                    await response.wait_for_close()
                    del response  # a traceback that shows local variables does not show where to, which may hold a key
            except (aiohttp.ClientError, OSError) as error:
                failure = translate(error, url)
                is_stale = not _FRESH.get() and _died_idle(error) and not (sink is not None and sink.begun)
            if is_second or not is_stale:
                break
        raise failure  # out of the handler, so that nothing of the request hangs on it

    async def aclose(self) -> None:
        """Close the connections of this loop, and of loops that are gone."""
        closer = self._closers.get(asyncio.get_running_loop())
        if closer is not None:
            await closer.aclose()
        await self._close_those_of_closed_loops()

    async def _close_those_of_closed_loops(self) -> None:
        """The loop that a fork has left behind looks open: its connections are the parent's, and left alone."""
        for owner, session in list(self._sessions.items()):
            if owner.is_closed():
                connector = session.connector
                del self._sessions[owner], self._closers[owner]
                await session.close()
                cast("_Connector", connector).close_sockets()

    async def _open(self, url: str) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._settings.trust_env:
            check_proxy_variables(url)
        async with self._opening:
            if loop not in self._sessions:  # another task may have been quicker
                await self._close_those_of_closed_loops()
                ca_file = self._settings.ca_file
                tls = True if ca_file is None else await anyio.to_thread.run_sync(_tls_context, ca_file)
                self._closers[loop] = closer = self._until_the_loop_ends(loop, _session(self._settings, tls))
                await anext(closer)
            return self._sessions[loop]

    async def _until_the_loop_ends(
        self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession
    ) -> AsyncGenerator[None]:
        """A program may leave without closing anything, or run a loop for every request.

        ``asyncio.run`` and others that end a loop properly end its asynchronous generators first: this one closes what
        is open on the loop, while that can still be done.
        """
        self._sessions[loop] = session
        try:
            yield
        finally:
            self._sessions.pop(loop, None)
            self._closers.pop(loop, None)
            await session.close()


def _session(settings: HttpSettings, tls: ssl.SSLContext | bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=_Connector(open_public if settings.public_only else _open_any, limit=0, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
        proxy=settings.proxy_url,
        read_bufsize=READ_BUFFER,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        ),
        trust_env=settings.trust_env,
    )


def _abandon(sessions: MutableMapping[asyncio.AbstractEventLoop, aiohttp.ClientSession], process: int) -> None:
    """Close what a transport was left with, without waiting: its factory has warned, and aiohttp need not as well."""
    if os.getpid() != process:
        return
    for loop, session in list(sessions.items()):
        connector = cast("_Connector", session.connector)
        session.detach()
        try:
            loop.call_soon_threadsafe(connector.begin_to_close)
        except RuntimeError:  # the loop is closed: there is nothing to wait for
            with suppress(StopIteration):
                connector.end().send(None)
            connector.close_sockets()


def _open_any(found: tuple[Any, ...]) -> socket.socket:
    """A socket for an address as ``getaddrinfo`` gives it."""
    family, kind, protocol, _, _ = found
    return socket.socket(family, kind, protocol)


class _Connector(aiohttp.TCPConnector):
    """Knows its sockets, and notes for the task that asks whether its connection has served no request before."""

    def __init__(self, open_socket: Callable[[tuple[Any, ...]], socket.socket], **options: Any) -> None:
        self._sockets = sockets = WeakSet[socket.socket]()

        def open_known(found: tuple[Any, ...]) -> socket.socket:
            made = open_socket(found)
            sockets.add(made)
            return made

        super().__init__(socket_factory=open_known, **options)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))

    async def _create_connection(self, *args: Any, **kwargs: Any) -> ResponseHandler:
        _FRESH.set(True)
        return await super()._create_connection(*args, **kwargs)

    def begin_to_close(self) -> None:
        self._closing = asyncio.get_running_loop().create_task(self.end())

    async def end(self) -> None:
        await self.close()

    def close_sockets(self) -> None:
        """At once. A transport of asyncio cannot, once its loop is closed."""
        for each in self._sockets:
            each.close()


class _Protocol(ResponseHandler):
    """Tells who reads a body of an error in it too: aiohttp closes the connection and leaves the reader waiting."""

    def set_exception(self, exc: BaseException, *cause: Any, **more: Any) -> None:
        payload = self._payload
        super().set_exception(exc, *cause, **more)
        if payload is not None and payload.exception() is None and not payload.is_eof():
            payload.set_exception(exc if isinstance(exc, aiohttp.ClientError) else NoHttpError())


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file!r} cannot be read as certificates: {error}") from None


def _died_idle(error: Exception) -> bool:
    """How a connection breaks that the server had closed before we wrote. Of some resets only the number is left."""
    kinds = (aiohttp.ServerDisconnectedError, ConnectionResetError)
    return isinstance(error, kinds) or (isinstance(error, OSError) and error.errno in RESET)
