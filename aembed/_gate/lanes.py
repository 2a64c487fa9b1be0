"""Lanes: queries overtake documents, and documents have a guaranteed share. Pure.

While documents wait, an eighth of the amount that queries take is set aside for them, so that even a large document
fits in the end. A document that does not fit yet delays no query that fits without the part set aside. Among documents,
owners (embedders) share by amount, and each owner's come in their order, but for smaller ones that fit into what the
first leaves unused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import TypeAlias

from aembed._gate.reservation import Reservation

DOCUMENT_SHARE = 1 / 8
"""Amount set aside for waiting documents, per amount of queries: documents get a ninth of all."""
LOOKAHEAD_DOCUMENTS = 16
"""Waiting documents that are examined for one that fits before the first: each look costs time on the event loop."""
OWNER_ABSENCE_S = 1.0
"""Seconds that an owner keeps its turn without a waiting batch: its next one comes as soon as a reply is placed."""

Ticket: TypeAlias = "asyncio.Future[None]"
Lane: TypeAlias = "OrderedDict[Ticket, Reservation]"
Amounts: TypeAlias = tuple[float, float, float]
"""Requests, tokens and inputs."""

NO_AMOUNTS: Amounts = 0.0, 0.0, 0.0


class Lanes:
    """Reservations in the order of their turn, each with the future that its owner awaits."""

    def __init__(self) -> None:
        self.queries: Lane = OrderedDict()
        self._documents: dict[object, Lane] = {}
        self._served: dict[object, float] = {}
        """Amount admitted for each owner of documents that wait, or waited a moment ago; the lowest is next."""
        self._absent_since: dict[object, float] = {}
        """Owners without a waiting document, and the time since then."""
        self._waiting = 0
        self._owed = NO_AMOUNTS
        self.by_tokens = False
        """Tokens are limited, so the turn of documents is counted in tokens instead of requests."""

    def __len__(self) -> int:
        return len(self.queries) + self._waiting

    @property
    def shares_tokens(self) -> bool:
        """Two owners share a quota of tokens."""
        return self.by_tokens and len(self._served) > 1

    def blocks(self, reservation: Reservation) -> bool:
        """True if a new request of this kind has to wait behind others."""
        if self.queries:
            return True
        if reservation.kind == "document":
            return self._waiting > 0 or self.shares_tokens
        return self._waiting > 0 and self.owes_a_slot

    def add(self, now: float, ticket: Ticket, reservation: Reservation, *, first: bool) -> None:
        if reservation.kind == "query":
            lane = self.queries
        else:
            lane = self._lane_of(now, reservation.owner)
            self._waiting += 1
        lane[ticket] = reservation
        if first:
            lane.move_to_end(ticket, last=False)

    def _lane_of(self, now: float, owner: object) -> Lane:
        """The lane of an owner. A new or returning owner is not compensated for what others got meanwhile."""
        if owner not in self._documents:
            self.forget_absent(now)
            self._absent_since.pop(owner, None)
            self._documents[owner] = OrderedDict()
            self._served.setdefault(owner, min(self._served.values(), default=0.0))
        return self._documents[owner]

    def forget_absent(self, now: float) -> None:
        """Forget the turn of owners that have had no waiting document for some time."""
        for owner in [owner for owner, since in self._absent_since.items() if now - since > OWNER_ABSENCE_S]:
            del self._absent_since[owner], self._served[owner]

    def remove(self, now: float, ticket: Ticket, reservation: Reservation) -> None:
        """Remove a ticket that may be gone already."""
        if reservation.kind == "query":
            self.queries.pop(ticket, None)
            return
        lane = self._documents.get(reservation.owner)
        if lane is None or lane.pop(ticket, None) is None:
            return
        self._waiting -= 1
        if not lane:
            del self._documents[reservation.owner]
            self._absent_since[reservation.owner] = now
        if not self._waiting:
            self._owed = NO_AMOUNTS

    def went(self, reservation: Reservation) -> None:
        """Count an admitted request."""
        if reservation.kind == "document" and reservation.owner in self._served:
            # At least one: a request without tokens would cost its owner no turn.
            self._served[reservation.owner] += max(1.0, reservation.tokens)
        if not self._waiting:
            return
        requests, tokens, inputs = self._owed
        if reservation.kind == "query":
            share = DOCUMENT_SHARE
            self._owed = (
                requests + share * reservation.requests,
                tokens + share * reservation.tokens,
                inputs + share * reservation.inputs,
            )
        else:
            self._owed = (
                max(0.0, requests - reservation.requests),
                max(0.0, tokens - reservation.tokens),
                max(0.0, inputs - reservation.inputs),
            )

    def query(self) -> tuple[Ticket, Reservation] | None:
        """The first query."""
        return next(iter(self.queries.items()), None)

    def document(self) -> tuple[Ticket, Reservation] | None:
        """The first document of the owner with the least admitted amount."""
        if not self._waiting:
            return None
        owner = min(self._documents, key=self._served.__getitem__) if len(self._documents) > 1 else None
        lane = self._documents[owner] if owner is not None else next(iter(self._documents.values()))
        return next(iter(lane.items()))

    def smaller(self, head: tuple[Ticket, Reservation]) -> Iterator[tuple[Ticket, Reservation]]:
        """Documents behind the first of an owner that have fewer tokens: of the next few, so that a look is cheap."""
        lane = self._documents[head[1].owner]
        for waiter in islice(lane.items(), 1, 1 + LOOKAHEAD_DOCUMENTS):
            if waiter[1].tokens < head[1].tokens and not waiter[0].done():
                yield waiter

    def waiting(self) -> list[tuple[Ticket, Reservation]]:
        """All waiting requests."""
        lanes = (self.queries, *self._documents.values())
        return [waiter for lane in lanes for waiter in lane.items()]

    def first(self) -> Reservation | None:
        """The reservation at the head of the queue."""
        head = self.query() or self.document()
        return None if head is None else head[1]

    @property
    def owes_a_slot(self) -> bool:
        """True if queries have overtaken waiting documents so often that the next slot belongs to a document."""
        if not self.by_tokens:
            return self._owed[0] >= 1
        head = self.document()
        return head is not None and self._owed[1] >= max(head[1].tokens, 1.0)

    def set_aside(self) -> Amounts:
        """Amounts that queries leave to the first document."""
        if not self._waiting or self._owed == NO_AMOUNTS:
            return NO_AMOUNTS
        head = self.document()
        assert head is not None, "one waits"
        document = head[1]
        requests, tokens, inputs = self._owed
        # Whole requests only: a part of one lets no document through, and would delay queries for nothing.
        return (
            min(float(int(requests)), document.requests),
            min(tokens, document.tokens),
            min(inputs, document.inputs),
        )
