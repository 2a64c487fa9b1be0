"""The queue before an account: slots first, then the quota, in two lanes.

Queries overtake documents and have one slot more; documents are sure of a share all the same. Within a lane the order
is first come, first served, and whoever was refused by the server goes back to the head. Nothing is held while
waiting. Waiters are futures in a queue; one timer serves them all.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from aembed._config import Limits
from aembed._errors import AembedError, OverloadedError, ProviderError, RateLimitError
from aembed._gate.budget import RetryBudget
from aembed._gate.concurrency import Concurrency
from aembed._gate.lanes import Lanes, Ticket
from aembed._gate.pause import Pause
from aembed._gate.permit import Permit
from aembed._gate.quotas import Quotas
from aembed._types import Kind, Reply

FIRST_AT_ONCE = 2
"""Requests sent before the first answer; each answer allows one more, so that a small quota is not overrun unseen."""
ABSURD = 3600.0
"""Seconds. A Retry-After beyond this is no quota but a mistake, and counts as none."""


class Gate:
    """``gate.try_enter(permit) or await gate.wait(permit)``, then ``gate.leave(permit, ...)`` with the outcome.

    ``per_input``: the provider's request quota counts every text of a request.
    """

    def __init__(self, slots: int, limits: Limits, *, adaptive: bool = False, per_input: bool = False) -> None:
        self.concurrency = Concurrency(slots, adaptive=adaptive)
        self.quotas = Quotas(limits)
        self.pause = Pause()
        self.budget = RetryBudget()
        self.in_flight = self.successes = self.refusals = 0
        self._queries = 0
        """In flight."""
        self._per_input = per_input
        self._probe: Permit | None = None
        self._last_failure: ProviderError | None = None
        self._slow_start = FIRST_AT_ONCE
        self._lanes = Lanes()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __repr__(self) -> str:
        waiting = f"{self.waiting} for {self.waiting_for()}" if self.waiting else "0"
        quotas = self.quotas.named(Permit("document"))
        limits = [f" {name}={resource!r}" for name, resource, _ in quotas if resource.limit is not None]
        return f"<Gate in_flight={self.in_flight}/{self.concurrency.slots} waiting={waiting}{''.join(limits)}>"

    @property
    def waiting(self) -> int:
        return len(self._lanes)

    def waiting_for(self) -> str:
        """What keeps the first in line: "slots", "requests", "tokens", "inputs" or "pause"; "" if nobody waits."""
        first = self._lanes.first()
        if first is None:
            return ""
        now = asyncio.get_running_loop().time()
        if self.pause.until > now or self._probe is not None:
            return "pause"
        if not self._has_slot(first.kind):
            return "slots"
        for name, resource, amount in self.quotas.named(first):
            if resource.earliest(now, amount, leave_reserve=first.kind == "document") > now:
                return name
        return "slots"  # about to go

    def paused(self) -> float:
        """Seconds until the server may be asked again."""
        return max(0.0, self.pause.until - asyncio.get_running_loop().time())

    def permit(self, kind: Kind, texts: Sequence[str], patience: float = math.inf) -> Permit:
        """What a request needs. Tokens are estimated even where no quota of them is known: it may be when it goes."""
        inputs = len(texts)
        characters = sum(map(len, texts))
        tokens = characters * self.quotas.token_ratio.value
        requests = inputs if self._per_input else 1.0
        return Permit(kind, characters, tokens, inputs, requests=requests, patience=patience)

    def try_enter(self, permit: Permit) -> bool:
        """Take a place at once if nobody is before us; never waits.

        Raises:
            InputError: the amount is more than a minute's quota.
        """
        self.quotas.check_capacity(permit)
        if self._lanes.blocks(permit.kind) or not self._has_slot(permit.kind):
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
            ProviderError: the server has been silent for too long, or wants to be left alone for too long.
        """
        self.quotas.check_capacity(permit)
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
        self._left(permit)
        loop = asyncio.get_running_loop()
        now = loop.time()
        is_probe = permit is self._probe
        if is_probe:
            self._probe = None
        if reply is not None:
            self._answered(permit, reply, now)
        elif isinstance(error, RateLimitError):
            self._refused(permit, error, now, is_probe=is_probe)
        else:
            self.quotas.ended(now, permit)
            if isinstance(error, ProviderError):
                self._failed(permit, error, now, is_probe=is_probe)
        if self._lanes:
            self._admit(loop)

    def _has_slot(self, kind: Kind) -> bool:
        """One query has a slot of its own. When it is the documents' turn the others are not for queries."""
        if self._probe is not None:
            return False
        slots = min(self.concurrency.slots, self._slow_start)
        if kind == "document":
            return self.in_flight - (self._queries > 0) < slots
        return self.in_flight <= slots and not (self._queries and self._lanes.is_documents_turn)

    def _earliest(self, now: float, permit: Permit) -> float:
        leave_reserve = permit.kind == "document" and not self._lanes.is_documents_turn
        return max(self.pause.until, self.quotas.earliest(now, permit, leave_reserve=leave_reserve))

    def _enter(self, permit: Permit, now: float) -> None:
        permit.sent_at = now
        self.quotas.commit(now, permit)
        self._lanes.went(permit.kind)
        self.in_flight += 1
        self._queries += permit.kind == "query"
        if self.pause.probing:
            self._probe = permit

    def _left(self, permit: Permit) -> None:
        self.in_flight -= 1
        self._queries -= permit.kind == "query"

    def _answered(self, permit: Permit, reply: Reply, now: float) -> None:
        self.successes += 1
        self._slow_start += 1
        self.pause.answered(permit.sent_at)
        if permit.kind == "document" or self.in_flight == self._queries:  # a query beside documents waits for theirs
            self.concurrency.answered(now - permit.sent_at, permit.characters)
        self.quotas.answered(now, permit, reply)

    def _refused(self, permit: Permit, error: RateLimitError, now: float, *, is_probe: bool) -> None:
        """Too fast, the server says: nobody on the account is sent before it allows, and no herd after."""
        self.refusals += 1
        self._last_failure = error
        self.quotas.refund(permit)
        self.concurrency.overloaded(now, permit.sent_at)
        wait = _sensible(error.retry_after)
        if wait is None:
            news = self.pause.untold(now, permit.sent_at, probe=is_probe)
        else:
            news = self.pause.told(now, wait, permit.sent_at)
        if news:
            self.quotas.refused(now, permit, wait, probe=is_probe)
        if wait is not None:
            self.quotas.drain(now, permit, wait)

    def _failed(self, permit: Permit, error: ProviderError, now: float, *, is_probe: bool) -> None:
        """A refusal with a reason is an answer; silence and server errors are not."""
        if not error.retryable:
            self.pause.answered(permit.sent_at)
            return
        self._last_failure = error
        if isinstance(error, OverloadedError):
            self.concurrency.overloaded(now, permit.sent_at)
        wait = _sensible(error.retry_after)
        if wait is not None:
            self.pause.told(now, wait, permit.sent_at)
        self.pause.failed(now, permit.sent_at, probe=is_probe)

    def _withdraw(self, permit: Permit, ticket: Ticket) -> None:
        if ticket.cancelled():
            self._lanes.remove(ticket, permit)
        elif ticket.exception() is None:  # admitted in the moment of the cancellation: hand everything back
            self.quotas.refund(permit)
            self._left(permit)
            if permit is self._probe:
                self._probe = None
        self._admit(ticket.get_loop())

    def _admit(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let in whom slots and quota allow; if only time is in the way, come back when it has passed."""
        now = loop.time()
        wake_at = math.inf
        while (turn := self._turn()) is not None:
            ticket, permit = turn
            if not ticket.done():  # else cancelled, and about to withdraw
                if (error := self._hopeless(permit, now)) is not None:
                    ticket.set_exception(error)
                elif (when := self._earliest(now, permit)) > now:
                    wake_at = when
                    break
                else:
                    self._enter(permit, now)
                    ticket.set_result(None)
            self._lanes.remove(ticket, permit)
        self._wake(wake_at, loop)

    def _turn(self) -> tuple[Ticket, Permit] | None:
        return self._lanes.turn(query_slot=self._has_slot("query"), document_slot=self._has_slot("document"))

    def _hopeless(self, permit: Permit, now: float) -> ProviderError | None:
        """Why there is no point in waiting, if so."""
        left = self.pause.until - now
        if self.pause.hopeless and left > 0:
            return OverloadedError(
                "the provider has not answered for some time; try again later, and see whether it is down. "
                f"It last said: {self._last_failure}",
                retryable=False,
            )
        if left > permit.patience:
            return RateLimitError(
                f"the provider wants no request for {left:.0f} s, longer than max_retry_after={permit.patience:g}",
                retryable=False,
                retry_after=left,
            )
        return None

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


def _sensible(retry_after: float | None) -> float | None:
    return retry_after if retry_after is not None and 0 <= retry_after <= ABSURD else None
