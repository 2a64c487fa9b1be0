"""The connections of one event loop: which are free, and which have been silent for too long."""

from __future__ import annotations

import asyncio
import ssl

from aembed._settings.http import HttpSettings
from aembed._wire.connection import Connection
from aembed._wire.dialer import dial
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
        self._free: dict[Origin, dict[Connection, None]] = {}
        """In the order in which they became free."""
        self._all: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self.is_closed = False

    def take(self, origin: Origin) -> Connection | None:
        """The connection that was used last, so that those beyond what is needed grow old. ``None``: there is none."""
        free = self._free.get(origin)
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
        )
        if not connection.gone.done():  # else it has been forgotten already
            self._all.add(connection)
        if timer is not None:
            timer.connected()
        # The pool was closed while this one was dialled: nothing else would close it.
        if self.is_closed:
            connection.close()
        return connection

    def _forget(self, connection: Connection) -> None:
        """It is closed."""
        self._all.discard(connection)
        for free in self._free.values():
            free.pop(connection, None)

    def watch(self, connection: Connection) -> None:
        """A request has been sent: its answer has ``read_timeout`` seconds from byte to byte."""
        self._look_at(connection.since + self._settings.read_timeout)

    def give_back(self, connection: Connection, origin: Origin) -> None:
        if not connection.can_be_kept or self.is_closed:
            connection.close()
            return
        connection.rest()
        self._free.setdefault(origin, {})[connection] = None
        self._look_at(connection.since + IDLE_S)  # a read_timeout may be longer

    def _look_at(self, due: float) -> None:
        """One timer serves all: it rings when the first of them may be due, which seldom is when it was set."""
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now, dues = self.loop.time(), []
        for connection in list(self._all):
            patience = self._settings.read_timeout if connection.is_busy else IDLE_S
            # A decoder that is slow is not a silent server.
            waits_for_us = connection.is_busy and not connection.waits_for_server
            due = patience + (now if waits_for_us else connection.since)
            if due > now:
                dues.append(due)
            elif connection.is_busy:
                connection.expire()
            else:
                connection.close()
        if dues:
            self._look_at(min(dues))

    async def aclose(self) -> None:
        """Close everything, and wait until it is closed."""
        connections = self._end()
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.gone

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
        self._free.clear()
        return list(self._all)
