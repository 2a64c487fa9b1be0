"""A real HTTP server on this machine that answers like an embedding provider, and records its requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Collection
from contextlib import AbstractContextManager
from types import TracebackType

from aembed import EventLoopError
from aembed.testing.faults import Script as Faults
from aembed.testing.quotas import Quota
from aembed.testing.server.dialects import DIALECTS, Caps
from aembed.testing.server.dispatch import Dispatcher
from aembed.testing.server.hints import Hints
from aembed.testing.server.http import ServerConnection
from aembed.testing.server.latency import Capacity, Latency
from aembed.testing.server.quirks import Quirks
from aembed.testing.server.request_handler import Behaviour, RequestHandler
from aembed.testing.server.thread import in_thread


class LoopbackServer:
    """Speaks one provider's ``dialect`` on a local port, from ``async with`` or ``start`` until ``aclose``.

    A plain ``with`` runs it in a thread, on a separate loop: nothing of it is then among the tasks, timers and work
    of the caller's loop, or for callers that have no loop.

        async with LoopbackServer("cohere", dim=1024, api_key="k", latency=0.05) as server:
            ...  # base_url=server.base_url; afterwards server.log and server.counters

    Vectors are those of the mock provider, of ``dim`` components unless the request asks for another number.
    ``latency`` is in seconds, constant or a :class:`Latency`. Everything random comes from ``seed``. ``faults`` are
    what goes wrong, request by request: see :mod:`aembed.testing.faults`. The log keeps no text and no key, unless
    ``log_bodies`` or ``log_headers`` ask for the bodies and the header values of requests.
    """

    def __init__(
        self,
        dialect: str = "openai",
        *,
        dim: int = 1536,
        api_key: str | None = None,
        models: Collection[str] | None = None,
        caps: Caps | None = None,
        latency: Latency | float = 0.0,
        capacity: Capacity | None = None,
        quota: Quota | None = None,
        hints: Hints | None = None,
        quirks: Quirks | None = None,
        faults: Faults = (),
        characters_per_token: float = 4.0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        max_body: int = 64 * 2**20,
        max_log: int | None = 100_000,
        log_bodies: bool = False,
        log_headers: bool = False,
        cache_bytes: int = 2**29,
    ) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"no dialect is called {dialect!r}; there are {', '.join(DIALECTS)}")
        self.dialect = dialect
        self.script = Behaviour(
            dim=dim,
            api_key=api_key,
            models=models,
            caps=caps,
            latency=latency if isinstance(latency, Latency) else Latency(median=latency),
            capacity=capacity,
            quota=quota or Quota(),
            hints=hints or Hints(),
            quirks=quirks or Quirks(),
            characters_per_token=characters_per_token,
            seed=seed,
        )
        handler = RequestHandler(DIALECTS[dialect], self.script, cache_bytes=cache_bytes)
        request_id = DIALECTS[dialect].request_id
        self._dispatcher = Dispatcher(
            handler,
            self.script.hints,
            request_id,
            faults,
            max_body=max_body,
            max_log=max_log,
            log_bodies=log_bodies,
            log_headers=log_headers,
        )
        self.log = self._dispatcher.log
        """The latest requests, in the order of their answers: a sequence that can be sliced."""
        self.counters = self._dispatcher.counters
        self._address = (host, port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._thread: AbstractContextManager[None] | None = None

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = f"[{self._address[0]}]" if ":" in self._address[0] else self._address[0]
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The ``base_url`` for a client of this dialect."""
        return self.url + DIALECTS[self.dialect].base

    def __repr__(self) -> str:
        state = self.base_url if self._server is not None else "not running"
        return f"<LoopbackServer {self.dialect} {state}, {self.counters.requests} requests>"

    async def start(self) -> None:
        """Listen. ``port`` is the one the system chose, if it was 0."""
        host, port = self._address
        dispatcher = self._dispatcher
        dispatcher.accepting = True
        self._server = await EventLoopError.unless_running("a LoopbackServer").create_server(
            lambda: ServerConnection(dispatcher), host, port, ssl=self._tls, backlog=1024
        )
        self._address = (host, self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and drop all connections; requests in flight stay unanswered."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await self._dispatcher.drop_all()
        await server.wait_closed()

    async def __aenter__(self) -> LoopbackServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> LoopbackServer:
        self._thread = in_thread(self)
        self._thread.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._thread is not None, "entered before"
        self._thread.__exit__(None, None, None)
