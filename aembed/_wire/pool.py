"""The connections of one event loop: free ones, and timeouts of silent and idle ones."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict

from aembed._settings.http import HttpSettings
from aembed._wire.connection import Connection
from aembed._wire.dialer import dial
from aembed._wire.outbox import Outbox
from aembed._wire.phases import PhaseTimer
from aembed._wire.route import Origin

IDLE_S = 60.0
"""Seconds that an idle connection is kept: less than load balancers take to forget one silently (four minutes at Azure,
six at AWS), after which a request would hang. Servers that close theirs sooner cost at most one more try."""


class Pool:
    """``take`` a free connection or ``dial`` a new one; ``give_back`` what can be kept.

    There is no limit on connections: each carries one request, and the gate bounds those in flight.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.loop = asyncio.get_running_loop()
        self._settings = settings
        self._free: defaultdict[Origin, dict[Connection, None]] = defaultdict(dict)
        """In the order in which they became free."""
        self._all: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        """Set while there are connections."""
        self._longest_nap = min(settings.read_timeout, IDLE_S)
        self.is_closed = False
        self._outbox = Outbox(self.loop)

    def take(self, origin: Origin) -> Connection | None:
        """The connection used last, so that those beyond the need grow old and are closed. ``None``: none is free."""
        free = self._free[origin]
        while free:
            connection, _ = free.popitem()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    async def dial(self, origin: Origin, tls: ssl.SSLContext | None, timer: PhaseTimer | None = None) -> Connection:
        """A new connection. Raises :class:`ConnectError` if there is none."""
        connection = await dial(
            origin,
            tls,
            timeout=self._settings.connect_timeout,
            public_only=self._settings.public_only,
            forget=self._forget,
            outbox=self._outbox,
        )
        if not connection.gone.done():  # otherwise it is no longer in the pool
            self._all.add(connection)
            if self._timer is None and not self.is_closed:
                self._timer = self.loop.call_at(connection.since + self._longest_nap, self._look)
        if timer is not None:
            timer.connected()
        # The pool was closed while this one was dialled: nothing else would close it.
        if self.is_closed:
            connection.close()
        return connection

    def _forget(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._all.discard(connection)
        for free in self._free.values():
            free.pop(connection, None)

    def give_back(self, connection: Connection, origin: Origin) -> None:
        """Keep a connection whose answer has been read."""
        if connection.can_be_kept and not self.is_closed:
            connection.rest()
            self._free[origin][connection] = None
        else:
            connection.close()

    def _look(self) -> None:
        """One timer for all connections: it fires when the first may be due, and at least every ``_longest_nap``.

        A request or an idle time that begins meanwhile cannot be due before that, and so sets no timer.
        """
        now = self.loop.time()
        next_look = now + self._longest_nap
        for connection in list(self._all):
            patience = self._settings.read_timeout if connection.is_busy else IDLE_S
            # A slow decoder is no silence of the server.
            waits_for_us = connection.is_busy and not connection.waits_for_server
            due = patience + (now if waits_for_us else connection.since)
            if due > now:
                next_look = min(next_look, due)
            elif connection.is_busy:
                connection.expire()
            else:
                connection.close()
        self._timer = self.loop.call_at(next_look, self._look) if self._all else None

    async def aclose(self) -> None:
        """Close everything, and wait until it is closed."""
        connections = self._end()
        for connection in connections:
            connection.close()
        if connections:  # not each of them awaited: a cancellation would cancel what another closer waits for
            await asyncio.wait([connection.gone for connection in connections])

    def abandon(self) -> None:
        """Close everything without waiting, from within the loop."""
        for connection in self._end():
            connection.close()

    def close_sockets(self) -> None:
        """Close everything when the loop is closed, and its transports can no longer do it."""
        for connection in self._end():
            connection.close_socket()

    def _end(self) -> list[Connection]:
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        return list(self._all)
