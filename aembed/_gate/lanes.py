"""Who waits, in two lanes. Within a lane it is first come, first served; queries overtake documents. Pure.

While both wait, one document goes for every few queries, so that neither lane starves.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TypeAlias

from aembed._gate.permit import Permit
from aembed._types import Kind

QUERIES_FOR_A_DOCUMENT = 8
"""While both wait, one document goes for so many queries."""

Ticket: TypeAlias = "asyncio.Future[None]"
Lane: TypeAlias = "OrderedDict[Ticket, Permit]"


class Lanes:
    """Permits in the order of their turn, each with the future that its owner waits for."""

    def __init__(self) -> None:
        self.queries: Lane = OrderedDict()
        self.documents: Lane = OrderedDict()
        self._overtaken = 0
        """Queries that went since the last document, while documents waited; none if no document waits."""

    def __len__(self) -> int:
        return len(self.queries) + len(self.documents)

    @property
    def is_documents_turn(self) -> bool:
        """Documents wait, and were overtaken often enough."""
        return self._overtaken >= QUERIES_FOR_A_DOCUMENT

    def blocks(self, kind: Kind) -> bool:
        """True if somebody is before a newcomer of this kind."""
        if self.queries:
            return True
        return bool(self.documents) and (kind == "document" or self.is_documents_turn)

    def add(self, ticket: Ticket, permit: Permit, *, first: bool) -> None:
        lane = self._lane(permit.kind)
        lane[ticket] = permit
        if first:
            lane.move_to_end(ticket, last=False)

    def remove(self, ticket: Ticket, permit: Permit) -> None:
        """Nothing happens if it is gone already."""
        self._lane(permit.kind).pop(ticket, None)
        if not self.documents:
            self._overtaken = 0

    def went(self, kind: Kind) -> None:
        """One of this kind was let in."""
        if kind == "document":
            self._overtaken = 0
        elif self.documents:
            self._overtaken += 1

    def turn(self, *, query_slot: bool, document_slot: bool) -> tuple[Ticket, Permit] | None:
        """Who is next, of the kinds that have a free slot."""
        queries, documents = self.queries, self.documents
        if documents and document_slot and (not queries or self.is_documents_turn):
            return next(iter(documents.items()))
        if queries and query_slot:
            return next(iter(queries.items()))
        return None

    def first(self) -> Permit | None:
        """Whoever waits at the head."""
        return next((permit for lane in (self.queries, self.documents) for permit in lane.values()), None)

    def _lane(self, kind: Kind) -> Lane:
        return self.queries if kind == "query" else self.documents
