"""The queue before an account: slots first, then the quota, in two lanes.

Queries overtake documents and have one slot more; documents are sure of a share all the same. Within a lane the order
is first come, first served, and whoever was refused by the server goes back to the head. Nothing is held while
waiting. Waiters are futures in a queue; one timer serves them all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from aembed._errors import AembedError
from aembed._gate.account import Account
from aembed._gate.lanes import Lanes, Ticket
from aembed._gate.permit import Permit
from aembed._gate.slots import Slots
from aembed._settings.policies import Limits
from aembed._types import Kind, Reply


class Gate:
    """``gate.try_enter(permit) or await gate.wait(permit)``, then ``gate.leave(permit, ...)`` with the outcome.

    ``adaptive``: the server has no quota, only capacity. ``per_input``: its quota of requests counts every text.
    """

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool = False, per_input: bool = False) -> None:
        self.account = Account(slots, limits, adaptive=adaptive, per_input=per_input)
        self.slots = Slots()
        self._lanes = Lanes()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __repr__(self) -> str:
        waiting = f"{self.waiting} for {self.waiting_for()}" if self.waiting else "0"
        quotas = self.account.quotas.named(Permit("document"))
        limits = [f" {name}={resource!r}" for name, resource, _ in quotas if resource.limit is not None]
        return f"<Gate in_flight={self.in_flight}/{self.account.concurrency.slots} waiting={waiting}{''.join(limits)}>"

    def set_limits(self, limits: Limits) -> None:
        """Other limits from now on; what was admitted counts, and ``None`` takes a limit away."""
        self.account.set_limits(limits)

    @property
    def in_flight(self) -> int:
        return self.slots.taken

    @property
    def waiting(self) -> int:
        return len(self._lanes)

    def waiting_for(self) -> str:
        """What keeps the first in line: "slots", "requests", "tokens", "inputs" or "pause"; "" if nobody waits."""
        first = self._lanes.first()
        if first is None:
            return ""
        now = asyncio.get_running_loop().time()
        if self.account.pause.until > now or self.slots.probe is not None:
            return "pause"
        if not self._has_slot(first.kind):
            return "slots"
        for name, resource, amount in self.account.quotas.named(first):
            if resource.earliest(now, amount, first.kind == "document") > now:
                return name
        return "slots"  # about to go

    def paused(self) -> float:
        """Seconds until the server may be asked again."""
        return max(0.0, self.account.pause.until - asyncio.get_running_loop().time())

    def permit(self, kind: Kind, texts: Sequence[str], patience: float = math.inf) -> Permit:
        """What a request with these texts needs, by someone who waits so many seconds of a pause."""
        return self.account.permit(kind, texts, patience)

    def try_enter(self, permit: Permit) -> bool:
        """Take a place at once if nobody is before us; never waits.

        Raises:
            InputError: the amount is more than a minute's quota.
        """
        self.account.quotas.check_capacity(permit)
        if self._lanes.blocks(permit.kind) or not self._has_slot(permit.kind):
            return False
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._earliest(now, permit) > now:
            return False
        self._enter(permit, now, loop)
        return True

    async def wait(self, permit: Permit, *, first: bool = False) -> None:
        """Wait for a place; ``first``: at the head of the lane, after a refusal. A cancelled waiter leaves no trace.

        Raises:
            InputError: the amount is more than a minute's quota, and would wait forever.
            ProviderError: the server has been silent for too long, or wants to be left alone for too long.
        """
        self.account.quotas.check_capacity(permit)
        loop = asyncio.get_running_loop()
        ticket: Ticket = loop.create_future()
        self._lanes.add(ticket, permit, first=first)
        self._admit(loop)
        try:
            await ticket
        except asyncio.CancelledError:
            self._withdraw(permit, ticket)
            raise

    def leave(self, permit: Permit, reply: Reply | None = None, error: AembedError | None = None) -> None:
        """The request has ended: with a reply, with an error, or cancelled (neither)."""
        is_probe = self.slots.left(permit)
        loop = permit.loop
        assert loop is not None, "only who has entered leaves"
        now = loop.time()
        if reply is not None:
            alone = permit.kind == "document" or self.slots.taken == self.slots.queries
            self.account.answered(now, permit, reply, alone=alone)
        else:
            self.account.ended(now, permit, error, is_probe=is_probe, in_flight=self.slots.taken)
        if self._lanes.documents or self._lanes.queries:
            self._admit(loop)

    def _has_slot(self, kind: Kind) -> bool:
        return self.slots.free(kind, self.account.slots, self._lanes.is_documents_turn)

    def _earliest(self, now: float, permit: Permit) -> float:
        leave_reserve = permit.kind == "document" and not self._lanes.is_documents_turn
        return self.account.earliest(now, permit, leave_reserve)

    def _enter(self, permit: Permit, now: float, loop: asyncio.AbstractEventLoop) -> None:
        permit.sent_at = now
        permit.loop = loop
        self.account.quotas.commit(now, permit)
        self._lanes.went(permit.kind)
        self.slots.took(permit, self.account.pause.probing)

    def _withdraw(self, permit: Permit, ticket: Ticket) -> None:
        if ticket.cancelled():
            self._lanes.remove(ticket, permit)
        elif ticket.exception() is None:  # admitted in the moment of the cancellation: hand everything back
            self.account.quotas.refund(permit.sent_at, permit)
            self.slots.left(permit)
        self._admit(ticket.get_loop())

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in whom slots and quota allow; if only time is in the way, come back when it has passed."""
        now = loop.time()
        wake_at = math.inf
        while (turn := self._turn()) is not None:
            ticket, permit = turn
            if not ticket.done():  # else cancelled, and about to withdraw
                if (error := self.account.hopeless(now, permit)) is not None:
                    ticket.set_exception(error)
                elif (when := self._earliest(now, permit)) > now:
                    wake_at = when
                    break
                else:
                    self._enter(permit, now, loop)
                    ticket.set_result(None)
            self._lanes.remove(ticket, permit)
        self._wake(wake_at, loop)

    def _turn(self) -> tuple[Ticket, Permit] | None:
        return self._lanes.turn(query_slot=self._has_slot("query"), document_slot=self._has_slot("document"))

    def _wake(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        """Set the one timer. One that rings too early does no harm, and spares a change for each waiter that comes."""
        if self._timer is not None and (when == math.inf or when < self._timer_at):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and when < math.inf:
            self._timer_at = when
            self._timer = loop.call_at(when, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._admit(loop)
