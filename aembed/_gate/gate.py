"""The queue before an account: slots first, then the quota, in two lanes.

Queries overtake documents and have one slot more; documents keep a share all the same. Within a lane, and among the
documents of one owner, the order is first come, first served, and a batch that was rejected goes back to the head.
Nothing is held while waiting. A waiting call is a future in a queue; one timer serves them all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import anyio.lowlevel

from aembed._errors import AembedError
from aembed._gate.account import Account
from aembed._gate.lanes import NO_AMOUNTS, Amounts, Lanes, Ticket
from aembed._gate.reservation import PausedBeyondDeadline, Reservation
from aembed._gate.slots import Slots
from aembed._gate.snapshot import Snapshot
from aembed._gate.watch import AboutGate, GateWatch, Hearer
from aembed._settings.policies import Limits
from aembed._types import Kind, ModelSpec, Reply

OWNER_RETURN_S = 0.001
"""Seconds that a free slot waits for the next batch of an owner that shares the account: by then it is in the queue."""


class Gate:
    """``gate.try_enter(reservation) or await gate.wait(reservation)``, then ``gate.leave(reservation, ...)``.

    ``adaptive``: the server has no quota, only capacity. ``per_input``: its quota of requests counts every text.
    """

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool = False, per_input: bool = False) -> None:
        self.account = Account(slots, limits, adaptive=adaptive, per_input=per_input)
        self.slots = Slots()
        self._lanes = Lanes()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        """The last one: its clock can be read from any thread."""
        self.about = AboutGate(account="", provider="", model=None)
        """Fields of its events."""
        self.watch: GateWatch | None = None
        """Set while there are listeners."""
        self._asked_until = -math.inf
        """End of the last pause for which every waiting call was asked whether it has the patience."""

    def __repr__(self) -> str:
        waiting = f"{self.waiting} for {self.waiting_for()}" if self.waiting else "0"
        quotas = self.account.quotas.named(Reservation("document"))
        limits = [f" {name}={quota!r}" for name, quota, _ in quotas if quota.limit is not None]
        return f"<Gate in_flight={self.in_flight}/{self.account.concurrency.slots} waiting={waiting}{''.join(limits)}>"

    @property
    def in_flight(self) -> int:
        return self.slots.taken

    @property
    def waiting(self) -> int:
        return len(self._lanes)

    @property
    def most_at_once(self) -> int:
        """Largest number of requests in flight, by the settings."""
        return self.account.concurrency.most

    @property
    def is_available(self) -> bool:
        """False while the circuit breaker is open, unless queries pass or the next request may be the probe."""
        if not self.account.backoff.probing or self.account.bypass.is_proven:
            return True
        return self.paused() == 0 and self.slots.probe is None

    def observe(self, hearer: Hearer) -> None:
        """Report pauses, limits and the circuit breaker to ``hearer`` from now on."""
        if self.watch is None:
            self.watch = GateWatch(self, self.about)
        self.watch.hear(hearer)

    def forget(self, hearer: Hearer) -> None:
        """End that; without any the gate is not watched."""
        if self.watch is not None:
            self.watch.forget(hearer)
            if not self.watch.hearers:
                self.watch = None

    def set_limits(self, limits: Limits) -> None:
        """Apply new limits of the user; requests that were sent stay counted."""
        self.account.set_limits(limits)
        if len(self._lanes) and self._loop is not None:
            self._admit(self._loop)

    def waiting_for(self) -> str:
        """Obstacle of the first in line: "slots", "requests", "tokens", "inputs" or "pause"; "" without a queue."""
        first = self._lanes.first()
        if first is None:
            return ""
        now = self._now()
        if self.account.paused_until(now, first) > now or (self.slots.probe and not self._joins_probe(first.kind)):
            return "pause"
        if not self._has_slot(first.kind, documents_first=self._lanes.owes_a_slot):
            return "slots"
        for name, quota, amount in self.account.quotas.named(first):
            if quota.earliest(now, amount, leave_reserve=first.kind == "document") > now:
                return name
        return "requests" if self.account.quotas.pace.flow is not None else "slots"

    def paused(self) -> float:
        """Seconds until the server may be asked again."""
        return max(0.0, self.account.backoff.until - self._now())

    def snapshot(self) -> Snapshot:
        """From any thread, with or without a running loop."""
        account, now = self.account, self._now()
        quotas = account.quotas
        return Snapshot(
            in_flight=self.in_flight,
            waiting=self.waiting,
            waiting_for=self.waiting_for(),
            paused=self.paused(),
            rejections=account.rejections,
            slots=account.concurrency.slots,
            requests_per_minute=quotas.requests.limit,
            tokens_per_minute=quotas.tokens.limit,
            inputs_per_minute=quotas.inputs.limit,
            circuit_open=account.backoff.probing,
            limits={name: quota.limit for name, quota in quotas.by_name() if quota.limit is not None},
            remaining={name: left for name, quota in quotas.by_name() if (left := quota.remaining(now)) is not None},
        )

    def reservation(
        self,
        kind: Kind,
        texts: Sequence[str],
        patience: float = math.inf,
        *,
        owner: object = None,
    ) -> Reservation:
        """Amounts that a request with these texts needs, of a caller that accepts a pause of ``patience`` seconds.

        Documents of different owners share the account by amount.
        """
        return self.account.reservation(kind, texts, patience, owner)

    def fitted(self, spec: ModelSpec) -> ModelSpec:
        """``spec`` with no larger batches than the quotas take."""
        return self.account.fitted(spec)

    def try_enter(self, reservation: Reservation) -> bool:
        """Take a place at once if the queue is empty; never wait.

        Raises:
            InputError: the amount is more than a minute's quota.
        """
        self.account.quotas.check_capacity(reservation)
        lanes = self._lanes
        # If a document were owed the slot, it would block this request.
        if lanes.blocks(reservation) or not self._has_slot(reservation.kind, documents_first=False):
            return False
        loop = asyncio.get_running_loop()
        now = loop.time()
        # Documents set nothing aside for themselves: the amount belongs to the first of them.
        aside = lanes.set_aside() if reservation.kind == "query" else NO_AMOUNTS
        if self._earliest(now, reservation, aside) > now:
            return False
        self._enter(reservation, now, loop)
        return True

    def pointless(self, now: float, reservation: Reservation) -> AembedError | PausedBeyondDeadline | None:
        """The error of a request that does not have the patience for the present pause."""
        until = self.account.backoff.until
        return self.account.reason_to_give_up(now, reservation, until) if until > now else None

    async def wait(self, reservation: Reservation, *, first: bool = False) -> None:
        """Wait for a place; ``first``: at the head of the lane, after a 429. A cancelled waiter leaves no trace.

        Raises:
            InputError: the amount is more than a minute's quota, and would wait forever.
            ProviderError: the server has failed for too long, or allows no request for too long.
            PausedBeyondDeadline: the server allows no request before ``reservation.deadline``.
        """
        self.account.quotas.check_capacity(reservation)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if (error := self.pointless(now, reservation)) is not None:
            raise error
        ticket: Ticket = loop.create_future()
        self._lanes.add(now, ticket, reservation, first=first)
        if self._lanes.shares_tokens and reservation.kind == "document":
            self._wake(now + OWNER_RETURN_S, loop)
        else:
            self._admit(loop)
        try:
            await ticket
            # A cancel scope cancels no task that is about to wake up: it would send a request that nobody waits for.
            await anyio.lowlevel.checkpoint_if_cancelled()
        except asyncio.CancelledError:
            self._withdraw(reservation, ticket)
            raise

    def give_back(self, reservation: Reservation) -> None:
        """The request has entered, and is not sent."""
        self.account.withdrawn(reservation)
        self.slots.left(reservation)
        assert reservation.loop is not None, "only a request that has entered is given back"
        self._admit(reservation.loop)

    def leave(self, reservation: Reservation, reply: Reply | None = None, error: AembedError | None = None) -> None:
        """The request has ended: with a reply, with an error, or cancelled (neither)."""
        self.slots.left(reservation)
        loop = reservation.loop
        assert loop is not None, "only a request that has entered leaves"
        now = loop.time()
        try:
            if reply is not None:
                alone = reservation.kind == "document" or self.slots.taken == self.slots.queries
                self.account.succeeded(now, reservation, reply, alone=alone)
            else:
                self.account.ended(now, reservation, error, self.slots.taken)
        finally:
            # After an error of the account too: its slot is free, and the next in line has no other wake-up.
            if len(self._lanes):
                if self._lanes.shares_tokens:
                    self._lanes.forget_absent(now)
                    self._wake(now + OWNER_RETURN_S, loop)
                else:
                    self._admit(loop)
            elif self.watch is not None and self.watch.has_hearers:
                self.watch.look()

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

    def _has_slot(self, kind: Kind, *, documents_first: bool) -> bool:
        if self.slots.probe is not None and not self._joins_probe(kind):
            return False
        return self.slots.free(kind, self.account.slots, documents_first)

    def _joins_probe(self, kind: Kind) -> bool:
        """A probe is the only request in flight, but for queries to which the server has shown to be open."""
        return kind == "query" and self.account.bypass.is_proven

    def _earliest(self, now: float, reservation: Reservation, aside: Amounts) -> float:
        leave_reserve = reservation.kind == "document"
        if leave_reserve and self._lanes.owes_a_slot:
            leave_reserve = not self.account.quotas.covers(self._lanes.set_aside(), reservation)
        return self.account.earliest(now, reservation, aside, leave_reserve=leave_reserve)

    def _enter(self, reservation: Reservation, now: float, loop: asyncio.AbstractEventLoop) -> None:
        reservation.sent_at = now
        reservation.loop = self._loop = loop
        account = self.account
        account.quotas.commit(now, reservation)
        if account.backoff.until > now:
            account.bypass.sent(reservation)
        self._lanes.went(reservation)
        self.slots.took(reservation, account.backoff.probing and not self._joins_probe(reservation.kind))

    def _withdraw(self, reservation: Reservation, ticket: Ticket) -> None:
        if ticket.cancelled():
            self._lanes.remove(self._now(), ticket, reservation)
        elif ticket.exception() is None:  # admitted in the moment of the cancellation
            self.give_back(reservation)
            return
        self._admit(ticket.get_loop())

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Admit as many waiting calls as slots and quotas allow; set the timer if only time is in the way."""
        self._loop = loop
        try:
            self._give_up_impatient(loop.time())
            while (wake_at := self._admit_one(loop)) is None:
                pass
            self._wake(wake_at, loop)
        except Exception as error:  # noqa: BLE001  # or the callers would wait for ever
            self._fail_all(error)
        if self.watch is not None:
            self.watch.look()

    def _admit_one(self, loop: asyncio.AbstractEventLoop) -> float | None:
        """Deal with one waiter; else return when it is worth looking again."""
        now = loop.time()
        lanes = self._lanes
        lanes.by_tokens = self.account.quotas.tokens.limit is not None
        document, query = lanes.document(), lanes.query()
        # A query's success does not end an episode: a document finds out whether documents succeed, too.
        backoff = self.account.backoff
        documents_first = lanes.owes_a_slot or query is None or (backoff.wait > 0 and backoff.is_answered)
        wake_at = math.inf
        if document is not None and documents_first and self._has_slot("document", documents_first=True):
            when = self._try(document, NO_AMOUNTS, now, loop)
            if when is None or self._fill(document, now, loop):
                return None
            wake_at = when
        # A document that is owed the slot but has to wait for its quota does not keep a query from it.
        if query is not None and self._has_slot("query", documents_first=lanes.owes_a_slot and wake_at == math.inf):
            when = self._try(query, lanes.set_aside(), now, loop)
            return when if when is None else min(when, wake_at)
        return wake_at

    def _try(
        self, head: tuple[Ticket, Reservation], aside: Amounts, now: float, loop: asyncio.AbstractEventLoop
    ) -> float | None:
        """``None`` if it has left the queue; else when to try again."""
        ticket, reservation = head
        if not ticket.done():  # else cancelled, and about to withdraw
            self.account.quotas.estimate(reservation)
            when = self._earliest(now, reservation, aside)
            if when > now:
                error = self.account.reason_to_give_up(now, reservation, when)
                if error is None:
                    return min(when, self._gives_up_at(now))
                ticket.set_exception(error)
            else:
                self._enter(reservation, now, loop)
                ticket.set_result(None)
        self._lanes.remove(now, ticket, reservation)
        return None

    def _fill(self, head: tuple[Ticket, Reservation], now: float, loop: asyncio.AbstractEventLoop) -> bool:
        """Admit a smaller document before one that waits, if that is not delayed: windows would have unused ends."""
        if self.account.backoff.until > now:
            return False
        quotas = self.account.quotas
        for ticket, reservation in self._lanes.smaller(head):
            quotas.estimate(reservation)
            if self._earliest(now, reservation, NO_AMOUNTS) <= now and quotas.leaves(now, head[1], reservation):
                self._enter(reservation, now, loop)
                ticket.set_result(None)
                self._lanes.remove(now, ticket, reservation)
                return True
        return False

    def _give_up_impatient(self, now: float) -> None:
        """Fail each waiting call that does not have the patience for a pause that has become longer."""
        until = self.account.backoff.until
        if until <= max(now, self._asked_until):
            return
        self._asked_until = until
        for ticket, reservation in self._lanes.waiting():
            error = None if ticket.done() else self.account.reason_to_give_up(now, reservation, until)
            if error is not None:
                ticket.set_exception(error)
                self._lanes.remove(now, ticket, reservation)

    def _gives_up_at(self, now: float) -> float:
        when = self.account.backoff.gives_up_at()
        return when if when > now else math.inf

    def _fail_all(self, error: Exception) -> None:
        while (head := self._lanes.query() or self._lanes.document()) is not None:
            ticket, reservation = head
            self._lanes.remove(self._now(), ticket, reservation)
            if not ticket.done():
                ticket.set_exception(error)

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
