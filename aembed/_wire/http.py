"""One POST over a pooled HTTP/1.1 connection.

Each running event loop has a pool. A redirect is an error and never followed: a key header must not reach another host.
A request over a kept connection that the server had already closed is sent once more at once, over a new connection.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from dataclasses import replace
from functools import partial
from weakref import WeakKeyDictionary, finalize

import anyio
import anyio.to_thread

from aembed._errors import ConfigError, ConnectError
from aembed._settings.http import HttpSettings
from aembed._wire.body import read_answer, read_at_once
from aembed._wire.connection import SLICE_BYTES
from aembed._wire.phases import PHASES, timed
from aembed._wire.pool import Pool
from aembed._wire.proxies import way_to
from aembed._wire.route import Origin, Route, split
from aembed._wire.transport import BodySink, Response


class HttpTransport:
    """Implements ``Transport`` for one account: its connections are shared by all its embedders."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._routes: dict[str, Route] = {}
        self._origins: dict[tuple[object, ...], Origin] = {}
        self._tls: ssl.SSLContext | None = None
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()
        self._pool: Pool | None = None
        """The pool of the loop that sent the last request."""
        self._closers: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[None]] = WeakKeyDictionary()
        self._opening = anyio.Lock()
        finalize(self, _abandon, self._pools, os.getpid())

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, sink: BodySink | None = None
    ) -> Response:
        """Send, and read the whole answer, with any status below 300 or from 400 on.

        Raises:
            ConnectError, RequestTimeoutError: no connection, or it broke; retryable, except an untrusted certificate.
            ReplyError: the answer is not HTTP, or larger than ``max_bytes`` once inflated.
            BadRequestError: a redirect, or ``url`` is none.
            ConfigError: a setting, or a variable of the environment, cannot be used.
        """
        route = self._routes.get(url) or await self._find_route(url)
        # The last pool first: a program nearly always has one loop, and the mapping by loop is weak, thus slow.
        pool = self._pool
        if pool is None or pool.loop is not asyncio.get_running_loop() or pool.is_closed:
            pool = await self._open()
        timer = PHASES.get()
        if timer is not None:
            sink = timed(sink, timer)
        connection = pool.take(route.origin) or await pool.dial(route.origin, self._tls, timer)
        while True:
            connection.timer = timer
            try:
                connection.start(route.head(headers), body)
                if len(body) > SLICE_BYTES:
                    await connection.send_body(body)
                await connection.wait()
                response = read_at_once(connection, max_bytes)
                if response is None:
                    response = await read_answer(connection, max_bytes, sink)
            except BaseException as error:  # after a cancellation, too: a request in flight cannot be withdrawn
                connection.abort()
                if not (isinstance(error, ConnectError) and connection.died_idle):
                    raise
            else:
                pool.give_back(connection, route.origin)
                return response
            connection = await pool.dial(route.origin, self._tls, timer)

    async def aclose(self) -> None:
        """Close the connections of this loop, and of loops that are gone."""
        closer = self._closers.get(asyncio.get_running_loop())
        if closer is not None:
            await closer.aclose()
        self._close_those_of_closed_loops()

    def _close_those_of_closed_loops(self) -> None:
        """The loop that a fork has left behind looks open: its connections are the parent's, and left alone."""
        for owner, pool in list(self._pools.items()):
            if owner.is_closed():
                del self._pools[owner], self._closers[owner]
                pool.close_sockets()

    async def _find_route(self, url: str) -> Route:
        """Look up once the server or proxy for ``url``, and the user: the environment may name both."""
        origin, target = split(url)
        settings = self._settings
        find = partial(way_to, origin, settings.proxy_url, trust_env=settings.trust_env)
        proxy, user = await anyio.to_thread.run_sync(find) if settings.trust_env else find()
        needs_tls = origin.is_tls or (proxy is not None and proxy.scheme == "https")
        if needs_tls and self._tls is None:
            self._tls = await anyio.to_thread.run_sync(_tls_context, settings.ca_file)
        if proxy is not None and not origin.is_tls:  # a proxy that forwards wants the whole URL: RFC 9112 section 3.2.2
            target = f"http://{origin.host_header}{target}"
        alike = (origin.is_tls, origin.host, origin.port, proxy, origin.socket_path)
        origin = self._origins.setdefault(alike, replace(origin, proxy=proxy))
        return self._routes.setdefault(url, Route(origin, target, user))

    async def _open(self) -> Pool:
        """Open a pool for the running loop, unless another task has done so meanwhile."""
        loop = asyncio.get_running_loop()
        async with self._opening:
            if loop not in self._pools:
                self._close_those_of_closed_loops()
                self._closers[loop] = closer = self._until_the_loop_ends(loop, Pool(self._settings))
                await anext(closer)
            self._pool = pool = self._pools[loop]
            return pool

    async def _until_the_loop_ends(self, loop: asyncio.AbstractEventLoop, pool: Pool) -> AsyncGenerator[None]:
        """A program may leave without closing anything, or run a loop for every request.

        ``asyncio.run`` and others that end a loop properly end its asynchronous generators first: this one closes what
        is open on the loop, while that can still be done.
        """
        self._pools[loop] = pool
        try:
            yield
        finally:
            self._pools.pop(loop, None)
            self._closers.pop(loop, None)
            await pool.aclose()


def _abandon(pools: MutableMapping[asyncio.AbstractEventLoop, Pool], process: int) -> None:
    """Close a transport's remaining connections without waiting: its factory has warned."""
    if os.getpid() != process:
        return
    for loop, pool in list(pools.items()):
        try:
            loop.call_soon_threadsafe(pool.abandon)
        except RuntimeError:  # the loop is closed: there is nothing to wait for
            pool.close_sockets()


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Certificates and host names are checked. Without a file, the system's authorities are trusted."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file!r} cannot be read as certificates: {error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
