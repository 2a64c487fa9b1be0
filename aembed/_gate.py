"""Admission for one account: slots and a request rate, in two lanes.

Queries overtake documents and have one slot more than they do, so a bulk job never stands in their way. Within a lane
the order is first come, first served. Permission to start coincides with the start: the slot is taken first, then the
rate is paid. Waiters are futures in a queue; one timer serves them all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TypeAlias

from aembed._types import Kind

CATCH_UP = 0.05
"""Seconds of lateness the pace makes good, so that a late timer does not lower the rate."""

_Lane: TypeAlias = "OrderedDict[asyncio.Future[None], None]"


class Gate:
    """``if not gate.try_enter(kind): await gate.wait(kind)``, then ``gate.leave()`` when the request has ended."""

    def __init__(self, slots: int, requests_per_minute: float | None = None) -> None:
        self.slots = slots
        self.in_flight = 0
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next_start = 0.0
        self._lanes: dict[Kind, _Lane] = {"query": OrderedDict(), "document": OrderedDict()}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Gate in_flight={self.in_flight}/{self.slots} waiting={self.waiting}>"

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lanes.values()))

    def try_enter(self, kind: Kind) -> bool:
        """Take a place at once if nobody is before us; never waits."""
        if self._lanes["query"] or self._lanes[kind] or not self._has_slot(kind):
            return False
        if self._interval:
            now = asyncio.get_running_loop().time()
            if self._next_start > now:
                return False
            self._pay(now)
        self.in_flight += 1
        return True

    async def wait(self, kind: Kind) -> None:
        """Wait for a place. A cancelled waiter leaves no trace."""
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lanes[kind][ticket] = None
        self._admit()
        try:
            await ticket
        except asyncio.CancelledError:
            self._withdraw(kind, ticket)
            raise

    def leave(self) -> None:
        """Give the slot back. The rate stays paid: the request was sent."""
        self.in_flight -= 1
        if self._lanes["query"] or self._lanes["document"]:
            self._admit()

    def _has_slot(self, kind: Kind) -> bool:
        return self.in_flight < self.slots + (kind == "query")

    def _pay(self, now: float) -> None:
        self._next_start = max(self._next_start, now - CATCH_UP) + self._interval

    def _withdraw(self, kind: Kind, ticket: asyncio.Future[None]) -> None:
        if ticket.cancelled():
            self._lanes[kind].pop(ticket, None)
        else:  # admitted in the moment of the cancellation: hand everything back
            self._next_start -= self._interval
            self.leave()
        if self._timer is not None and not self.waiting:
            self._timer.cancel()
            self._timer = None

    def _admit(self) -> None:
        """Let in whom slots and rate allow; if only the rate is in the way, come back when it allows."""
        while lane := self._next_lane():
            ticket = next(iter(lane))
            loop = ticket.get_loop()
            if not ticket.done():  # else cancelled, and about to withdraw
                if self._interval and self._next_start > loop.time():
                    self._timer = self._timer or loop.call_at(self._next_start, self._on_timer)
                    return
                self._pay(loop.time())
                self.in_flight += 1
                ticket.set_result(None)
            del lane[ticket]

    def _next_lane(self) -> _Lane | None:
        return next((lane for kind, lane in self._lanes.items() if lane and self._has_slot(kind)), None)

    def _on_timer(self) -> None:
        self._timer = None
        self._admit()
