"""Slots of requests in flight: how many of each kind there may be, and the probe."""

from __future__ import annotations

import pytest

from aembed import Kind
from aembed._gate import Reservation
from aembed._gate.slots import Slots


def taken(*kinds: Kind) -> Slots:
    slots = Slots()
    for kind in kinds:
        slots.took(Reservation(kind), probing=False)
    return slots


@pytest.mark.parametrize(
    ("inside", "document", "query", "query_at_documents_turn"),
    [
        ((), True, True, True),
        (("document",), True, True, True),
        (("document", "document"), False, True, True),
        (("document", "query"), True, True, False),
        (("document", "document", "query"), False, False, False),
        (("query", "query"), True, True, False),
        (("query", "query", "query"), False, False, False),
    ],
)
def test_of_two_slots_documents_take_two_and_one_query_has_another(
    inside: tuple[Kind, ...], document: bool, query: bool, query_at_documents_turn: bool
) -> None:
    slots = taken(*inside)
    assert slots.free("document", 2, is_documents_turn=True) is document
    assert slots.free("query", 2, is_documents_turn=False) is query
    assert slots.free("query", 2, is_documents_turn=True) is query_at_documents_turn


def test_slots_are_given_back_and_the_probe_is_over_when_it_leaves() -> None:
    slots, probe, other = Slots(), Reservation("query"), Reservation("document")
    slots.took(probe, probing=True)
    slots.took(other, probing=False)
    assert (slots.taken, slots.queries, slots.probe) == (2, 1, probe)
    assert (probe.is_probe, other.is_probe) == (True, False)
    slots.left(other)
    assert (slots.taken, slots.queries, slots.probe) == (1, 1, probe)
    slots.left(probe)
    assert (slots.taken, slots.queries, slots.probe) == (0, 0, None)
