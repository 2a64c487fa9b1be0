"""The queue before an account: slots first, then the quota, in two lanes.

Queries overtake documents and have one slot more; documents are sure of a share all the same. Within a lane the order
is first come, first served, and whoever was refused by the server goes back to the head. All resources are reserved
together, at the earliest time at which every one of them allows it, and nothing is held while waiting. Waiters are
futures in a queue; one timer serves them all.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeAlias

from aembed._config import Limits
from aembed._errors import AembedError, InputError, RateLimitError
from aembed._gate.learner import Learner
from aembed._gate.resource import Entry, Resource
from aembed._types import Kind, QuotaHints, Reply

DOCUMENTS_SHARE = 8
"""While both wait, one document goes for so many queries."""
QUERY_RESERVE = 0.01
"""Share of a quota that documents leave to queries."""
FIRST_BACKOFF = 0.5
"""Seconds of silence after a refusal that does not say how long to wait; doubled each time, up to ``LONGEST``."""
LONGEST = 30.0
FIRST_AT_ONCE = 2
"""Requests sent before the first answer; each answer allows one more, so that a small quota is not overrun unseen."""
ABSURD = 3600.0
"""A wait beyond this is no quota but a mistake."""

_Ticket: TypeAlias = "asyncio.Future[Permit]"


class Permit:
    """Leave to send one request, and what was reserved for it."""

    __slots__ = ("entries", "inputs", "kind", "sent_at", "tokens")

    def __init__(self, kind: Kind, tokens: float, inputs: int) -> None:
        self.kind = kind
        self.tokens = tokens
        self.inputs = inputs
        self.sent_at = 0.0
        self.entries: tuple[Entry, ...] = ()


class Gate:
    """``permit = gate.try_enter(...) or await gate.wait(...)``, then ``gate.leave(permit, ...)`` with the outcome."""

    def __init__(self, slots: int, limits: Limits) -> None:
        self.slots = slots
        self.in_flight = 0
        self.refusals = 0
        """429s so far."""
        self.successes = 0
        self.requests = Resource(limits.requests_per_minute)
        self.tokens = Resource(limits.tokens_per_minute)
        self.inputs = Resource(limits.inputs_per_minute)
        self.frozen_until = -math.inf
        self._resources = (self.requests, self.tokens, self.inputs)
        self._learner = Learner(self.requests)
        self._lanes: dict[Kind, OrderedDict[_Ticket, Permit]] = {"query": OrderedDict(), "document": OrderedDict()}
        self._queries_in_a_row = 0
        self._backoff = 0.0
        self._probe: Permit | None = None
        self._slow_start = FIRST_AT_ONCE
        self._latency = 0.0
        self._tokens_per_character = 0.25
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lanes.values()))

    def estimate(self, texts: Sequence[str]) -> float:
        """Tokens of a batch, by the ratio its provider's replies have shown; 0 while no quota needs it."""
        return 0.0 if self.tokens.limit is None else sum(map(len, texts)) * self._tokens_per_character

    def try_enter(self, kind: Kind, tokens: float, inputs: int) -> Permit | None:
        """Take a place at once if nobody is before us; never waits."""
        if self._lanes["query"] or self._lanes[kind] or not self._has_slot(kind):
            return None
        permit = Permit(kind, tokens, inputs)
        now = asyncio.get_running_loop().time()
        if self._earliest(now, permit) > now:
            return None
        self._enter(permit, now)
        return permit

    async def wait(self, kind: Kind, tokens: float, inputs: int, *, first: bool = False) -> Permit:
        """Wait for a place; ``first``, at the head of the lane, for who has been refused. A cancelled waiter leaves no trace.

        Raises:
            InputError: the amount is more than the quota of a minute, and would wait forever.
        """
        permit = Permit(kind, tokens, inputs)
        self._check_capacity(permit)
        loop = asyncio.get_running_loop()
        ticket: _Ticket = loop.create_future()
        lane = self._lanes[kind]
        lane[ticket] = permit
        if first:
            lane.move_to_end(ticket, last=False)
        self._admit(loop)
        try:
            return await ticket
        except asyncio.CancelledError:
            self._withdraw(kind, ticket)
            raise

    def leave(self, permit: Permit, reply: Reply | None = None, error: AembedError | None = None) -> None:
        """The request has ended: with a reply, with an error, or cancelled (neither)."""
        self.in_flight -= 1
        loop = asyncio.get_running_loop()
        now = loop.time()
        was_probe = permit is self._probe
        if was_probe:
            self._probe = None
        if reply is not None:
            self._learn(permit, reply, now)
        elif isinstance(error, RateLimitError):
            self._refuse(permit, error, now, was_probe=was_probe)
        if self.waiting:
            self._admit(loop)

    def _has_slot(self, kind: Kind) -> bool:
        return self._probe is None and self.in_flight < min(self.slots, self._slow_start) + (kind == "query")

    def _check_capacity(self, permit: Permit) -> None:
        for resource, name, amount in (
            (self.tokens, "tokens_per_minute", permit.tokens),
            (self.inputs, "inputs_per_minute", permit.inputs),
        ):
            if resource.limit is not None and amount > resource.limit:
                raise InputError(
                    f"one request of {amount:g} is more than {name}={resource.limit:g} allows; lower batch_size"
                )

    def _amounts(self, permit: Permit) -> tuple[tuple[Resource, float], ...]:
        return (self.requests, 1.0), (self.tokens, permit.tokens), (self.inputs, permit.inputs)

    def _earliest(self, now: float, permit: Permit) -> float:
        when = max(now, self.frozen_until)
        for resource, amount in self._amounts(permit):
            if resource.limit is not None:
                reserve = float(int(QUERY_RESERVE * resource.limit)) if permit.kind == "document" else 0.0
                when = max(when, resource.earliest(now, amount, reserve))
        return when

    def _enter(self, permit: Permit, now: float) -> None:
        permit.sent_at = now
        permit.entries = tuple(resource.commit(now, amount, self._latency) for resource, amount in self._amounts(permit))
        self._learner.sent(permit.entries[0], now)
        self.in_flight += 1
        if self._backoff:
            self._probe = permit
        self._queries_in_a_row = self._queries_in_a_row + 1 if permit.kind == "query" else 0

    def _learn(self, permit: Permit, reply: Reply, now: float) -> None:
        self.successes += 1
        self._slow_start += 1
        self._latency = max(0.9 * self._latency, now - permit.sent_at)
        self._backoff = 0.0
        self._learner.answered()
        if reply.tokens is not None:
            self.tokens.correct(permit.entries[1], reply.tokens)
        if reply.quota is not None:
            self._sync(permit, reply.quota, now)

    def _sync(self, permit: Permit, hints: QuotaHints, now: float) -> None:
        requests, tokens, _ = permit.entries
        self.requests.sync(requests, now, hints.limit_requests, hints.remaining_requests, hints.reset_requests)
        self.tokens.sync(tokens, now, hints.limit_tokens, hints.remaining_tokens, hints.reset_tokens)

    def _refuse(self, permit: Permit, error: RateLimitError, now: float, *, was_probe: bool) -> None:
        """Nobody is sent before the server says so; if it does not say, one at a time tries, ever less often."""
        self.refusals += 1
        for resource, entry in zip(self._resources, permit.entries, strict=True):
            resource.correct(entry, 0.0)
        wait = error.retry_after
        if wait is not None and 0 <= wait <= ABSURD:
            self.frozen_until = max(self.frozen_until, now + wait)
            for resource, amount in self._amounts(permit):
                resource.drain(now, wait, amount)
        elif was_probe or not self._backoff:
            if was_probe:
                self._learner.probe_refused(now)
            else:
                self._learner.refused(permit.entries[0], now)
            self._backoff = min(LONGEST, max(FIRST_BACKOFF, 2 * self._backoff))
            self.frozen_until = max(self.frozen_until, now + self._backoff)

    def _withdraw(self, kind: Kind, ticket: _Ticket) -> None:
        loop = ticket.get_loop()
        if not ticket.cancelled():  # admitted in the moment of the cancellation: hand everything back
            permit = ticket.result()
            for resource, entry in zip(self._resources, permit.entries, strict=True):
                resource.correct(entry, 0.0)
            self.in_flight -= 1
        self._lanes[kind].pop(ticket, None)
        self._admit(loop)

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in whom slots and quota allow; if only time is in the way, come back when it has passed."""
        now = loop.time()
        wake_at = math.inf
        while (kind := self._next_kind()) is not None:
            lane = self._lanes[kind]
            ticket, permit = next(iter(lane.items()))
            if not ticket.done():  # else cancelled, and about to withdraw
                when = self._earliest(now, permit)
                if when > now:
                    wake_at = when
                    break
                self._enter(permit, now)
                ticket.set_result(permit)
            del lane[ticket]
        self._wake_at(wake_at, loop)

    def _next_kind(self) -> Kind | None:
        queries, documents = self._lanes["query"], self._lanes["document"]
        if documents and self._has_slot("document") and (not queries or self._queries_in_a_row >= DOCUMENTS_SHARE):
            return "document"
        return "query" if queries and self._has_slot("query") else None

    def _wake_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            if self._timer_at == when:
                return
            self._timer.cancel()
            self._timer = None
        self._timer_at = when
        if when < math.inf:
            self._timer = loop.call_at(when, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._admit(loop)
