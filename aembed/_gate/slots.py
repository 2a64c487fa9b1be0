"""Slots of requests in flight. Pure.

Documents share the slots; one query has a slot in addition. While the server does not answer, the probe has the only
slot.
"""

from __future__ import annotations

from aembed._gate.reservation import Reservation
from aembed._types import Kind


class Slots:
    """``taken`` by requests in flight, of which so many are ``queries``."""

    __slots__ = ("probe", "queries", "taken")

    def __init__(self) -> None:
        self.taken = self.queries = 0
        self.probe: Reservation | None = None

    def free(self, kind: Kind, most: int, is_documents_turn: bool) -> bool:
        """When it is the documents' turn, only the query's own slot is for queries."""
        if kind == "document":
            return self.taken - (self.queries > 0) < most  # one query has the additional slot, and takes none of these
        return self.taken <= most and not (self.queries and is_documents_turn)

    def took(self, reservation: Reservation, probing: bool) -> None:
        self.taken += 1
        self.queries += reservation.kind == "query"
        if probing:
            self.probe = reservation
            reservation.is_probe = True

    def left(self, reservation: Reservation) -> None:
        self.taken -= 1
        self.queries -= reservation.kind == "query"
        if reservation is self.probe:
            self.probe = None
