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
from aembed._errors import AembedError, InputError, OverloadedError, ProviderError, RateLimitError
from aembed._gate.budget import RetryBudget
from aembed._gate.concurrency import Concurrency
from aembed._gate.learner import Learner
from aembed._gate.pause import Pause
from aembed._gate.resource import Entry, Resource
from aembed._types import Kind, Reply

QUERIES_FOR_A_DOCUMENT = 8
"""While both wait, one document goes for so many queries."""
QUERY_RESERVE = 0.01
"""Share of a quota that documents leave to queries."""
FIRST_AT_ONCE = 2
"""Requests sent before the first answer; each answer allows one more, so that a small quota is not overrun unseen."""
ABSURD = 3600.0
"""Seconds. A Retry-After beyond this is no quota but a mistake, and counts as none."""
CALIBRATION = 0.1
"""Weight of the latest reply in the ratio of tokens to characters."""

_Ticket: TypeAlias = "asyncio.Future[Permit]"


class Permit:
    """Leave to send one request, and what was reserved for it."""

    __slots__ = ("characters", "entries", "inputs", "kind", "sent_at", "tokens")

    def __init__(self, kind: Kind, characters: int, tokens: float, inputs: int) -> None:
        self.kind = kind
        self.characters = characters
        self.tokens = tokens
        self.inputs = inputs
        self.sent_at = 0.0
        self.entries: tuple[Entry | None, ...] = ()


class Gate:
    """``permit = gate.try_enter(...) or await gate.wait(...)``, then ``gate.leave(permit, ...)`` with the outcome."""

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool = False) -> None:
        self.concurrency = Concurrency(slots, adaptive=adaptive)
        self.requests = Resource(limits.requests_per_minute)
        self.tokens = Resource(limits.tokens_per_minute)
        self.inputs = Resource(limits.inputs_per_minute)
        self.pause = Pause()
        self.budget = RetryBudget()
        self.in_flight = self.successes = self.refusals = 0
        self._resources = (self.requests, self.tokens, self.inputs)
        self._learner = Learner(self.requests)
        self._probe: Permit | None = None
        self._slow_start = FIRST_AT_ONCE
        self._latency = 0.0
        self._tokens_per_character = 0.25
        self._queries_in_a_row = 0
        self._lanes: dict[Kind, OrderedDict[_Ticket, Permit]] = {"query": OrderedDict(), "document": OrderedDict()}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __repr__(self) -> str:
        waiting = f" waiting={self.waiting} for {self.waiting_for()}" if self.waiting else ""
        limits = [f" {name}={r!r}" for name, r in self._named() if r.limit is not None]
        return f"<Gate in_flight={self.in_flight}/{self.concurrency.slots}{waiting}{''.join(limits)}>"

    @property
    def waiting(self) -> int:
        return len(self._lanes["query"]) + len(self._lanes["document"])

    def waiting_for(self) -> str:
        """What keeps the first in line: ``"slots"``, ``"requests"``, ``"tokens"``, ``"inputs"``, ``"pause"`` or ``""``."""
        first = next((permit for lane in self._lanes.values() for permit in lane.values()), None)
        if first is None:
            return ""
        now = asyncio.get_running_loop().time()
        if self.pause.until > now or self._probe is not None:
            return "pause"
        amounts = zip(self._named(), self._amounts(first), strict=True)
        return next((name for (name, r), amount in amounts if r.earliest(now, amount) > now), "slots")

    def permit(self, kind: Kind, texts: Sequence[str]) -> Permit:
        """What a request needs. Characters are only counted where tokens or capacity are."""
        if self.tokens.limit is None and not self.concurrency.adaptive:
            return Permit(kind, 0, 0.0, len(texts))
        characters = sum(map(len, texts))
        return Permit(kind, characters, characters * self._tokens_per_character, len(texts))

    def try_enter(self, permit: Permit) -> bool:
        """Take a place at once if nobody is before us; never waits."""
        kind = permit.kind
        if self._lanes["query"] or self._lanes[kind] or not self._has_slot(kind):
            return False
        now = asyncio.get_running_loop().time()
        if self._earliest(now, permit) > now:
            return False
        self._enter(permit, now)
        return True

    async def wait(self, permit: Permit, *, first: bool = False) -> None:
        """Wait for a place; ``first``: at the head of the lane, after a refusal. A cancelled waiter leaves no trace.

        Raises:
            InputError: the amount is more than a minute's quota, and would wait forever.
            OverloadedError: the server has been silent for too long.
        """
        self._check_capacity(permit)
        loop = asyncio.get_running_loop()
        ticket: _Ticket = loop.create_future()
        lane = self._lanes[permit.kind]
        lane[ticket] = permit
        if first:
            lane.move_to_end(ticket, last=False)
        self._admit(loop)
        try:
            await ticket
        except asyncio.CancelledError:
            self._withdraw(permit, ticket)
            raise

    def leave(self, permit: Permit, reply: Reply | None = None, error: AembedError | None = None) -> None:
        """The request has ended: with a reply, with an error, or cancelled (neither)."""
        self.in_flight -= 1
        loop = asyncio.get_running_loop()
        is_probe = permit is self._probe
        if is_probe:
            self._probe = None
        if reply is not None:
            self._learn(permit, reply, loop.time())
        elif isinstance(error, RateLimitError):
            self._refused(permit, error.retry_after, loop.time(), is_probe=is_probe)
        elif isinstance(error, ProviderError):
            self._failed(error, loop.time(), is_probe=is_probe)
        if self._lanes["query"] or self._lanes["document"]:
            self._admit(loop)

    def _has_slot(self, kind: Kind) -> bool:
        slots = min(self.concurrency.slots, self._slow_start) + (kind == "query")
        return self._probe is None and self.in_flight < slots

    def _named(self) -> tuple[tuple[str, Resource], ...]:
        return ("requests", self.requests), ("tokens", self.tokens), ("inputs", self.inputs)

    @staticmethod
    def _amounts(permit: Permit) -> tuple[float, ...]:
        return 1.0, permit.tokens, permit.inputs

    def _check_capacity(self, permit: Permit) -> None:
        for (name, resource), amount in zip(self._named(), self._amounts(permit), strict=True):
            if resource.limit is not None and amount > resource.limit:
                raise InputError(
                    f"a request of {amount:g} {name} is more than {name}_per_minute={resource.limit:g} ever allows; "
                    "lower batch_size, or shorten the text"
                )

    def _earliest(self, now: float, permit: Permit) -> float:
        when = max(now, self.pause.until)
        for resource, amount in zip(self._resources, self._amounts(permit), strict=True):
            if resource.limit is not None:
                reserve = float(int(QUERY_RESERVE * resource.limit)) if permit.kind == "document" else 0.0
                when = max(when, resource.earliest(now, amount, reserve))
        return when

    def _enter(self, permit: Permit, now: float) -> None:
        permit.sent_at = now
        latency = self._latency
        request = self.requests.commit(now, 1.0, latency)
        permit.entries = (
            request,
            None if self.tokens.limit is None else self.tokens.commit(now, permit.tokens, latency),
            None if self.inputs.limit is None else self.inputs.commit(now, permit.inputs, latency),
        )
        self._learner.sent(request, now)
        self.in_flight += 1
        if self.pause.probing:
            self._probe = permit
        self._queries_in_a_row = self._queries_in_a_row + 1 if permit.kind == "query" else 0

    def _learn(self, permit: Permit, reply: Reply, now: float) -> None:
        elapsed = now - permit.sent_at
        requests, tokens, _ = permit.entries
        self.successes += 1
        self._slow_start += 1
        self._latency = max(0.9 * self._latency, elapsed)
        self.pause.answered()
        self._learner.answered()
        if permit.kind == "document":
            self.concurrency.answered(elapsed, permit.characters)
        if reply.tokens is not None and permit.characters:
            ratio = reply.tokens / permit.characters
            self._tokens_per_character += CALIBRATION * (ratio - self._tokens_per_character)
            if tokens is not None:
                self.tokens.correct(tokens, reply.tokens)
        hints = reply.quota
        if hints is not None:
            self.requests.sync(requests, now, hints.limit_requests, hints.remaining_requests, hints.reset_requests)
            self.tokens.sync(tokens, now, hints.limit_tokens, hints.remaining_tokens, hints.reset_tokens)

    def _refused(self, permit: Permit, wait: float | None, now: float, *, is_probe: bool) -> None:
        """Too fast, the server says: nobody on the account is sent before it allows, and no herd after."""
        self.refusals += 1
        self._refund(permit)
        if wait is not None and 0 <= wait <= ABSURD:
            self.pause.told(now, wait)
            for resource, amount in zip(self._resources, self._amounts(permit), strict=True):
                resource.drain(now, wait, amount)
        elif self.pause.untold(now, probe=is_probe):
            request = permit.entries[0]
            if is_probe or request is None:
                self._learner.probe_refused(now)
            else:
                self._learner.refused(request, now)

    def _failed(self, error: ProviderError, now: float, *, is_probe: bool) -> None:
        """A refusal with a reason is an answer; silence and server errors are not."""
        if not error.retryable:
            self.pause.answered()
            return
        if isinstance(error, OverloadedError):
            self.concurrency.overloaded()
        if error.retry_after is not None and 0 <= error.retry_after <= ABSURD:
            self.pause.told(now, error.retry_after)
        self.pause.failed(now, probe=is_probe)

    def _refund(self, permit: Permit) -> None:
        for resource, entry in zip(self._resources, permit.entries, strict=True):
            if entry is not None:
                resource.correct(entry, 0.0)

    def _withdraw(self, permit: Permit, ticket: _Ticket) -> None:
        if ticket.cancelled():
            self._lanes[permit.kind].pop(ticket, None)
        elif ticket.exception() is None:  # admitted in the moment of the cancellation: hand everything back
            self._refund(permit)
            self.in_flight -= 1
            if permit is self._probe:
                self._probe = None
        self._admit(ticket.get_loop())

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in whom slots and quota allow; if only time is in the way, come back when it has passed."""
        now = loop.time()
        wake_at = math.inf
        while (lane := self._next_lane()) is not None:
            ticket, permit = next(iter(lane.items()))
            if not ticket.done():  # else cancelled, and about to withdraw
                if self.pause.hopeless:
                    ticket.set_exception(OverloadedError("the server has not answered for some time; try again later"))
                elif (when := self._earliest(now, permit)) > now:
                    wake_at = when
                    break
                else:
                    self._enter(permit, now)
                    ticket.set_result(permit)
            del lane[ticket]
        self._wake(wake_at, loop)

    def _next_lane(self) -> OrderedDict[_Ticket, Permit] | None:
        queries, documents = self._lanes["query"], self._lanes["document"]
        documents_turn = not queries or self._queries_in_a_row >= QUERIES_FOR_A_DOCUMENT
        if documents and documents_turn and self._has_slot("document"):
            return documents
        return queries if queries and self._has_slot("query") else None

    def _wake(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None and self._timer_at != when:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and when < math.inf:
            self._timer_at = when
            self._timer = loop.call_at(when, self._on_timer, loop)

    def _on_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._admit(loop)
