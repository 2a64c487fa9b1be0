"""Whose turn it is: the queue itself, without a gate. Numbers by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from aembed import Kind
from aembed._gate import Reservation
from aembed._gate.lanes import NO_AMOUNTS, Lanes, Ticket


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Queue:
    """Lanes, and who is in them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lanes = Lanes()
        self._loop = loop
        self._tickets: dict[Reservation, Ticket] = {}

    def comes(
        self, kind: Kind, tokens: float = 10.0, owner: object = None, now: float = 0.0, *, first: bool = False
    ) -> Reservation:
        reservation = Reservation(kind, 0, tokens, 3, owner=owner)
        self._tickets[reservation] = ticket = self._loop.create_future()
        self.lanes.add(now, ticket, reservation, first=first)
        return reservation

    def goes(self, reservation: Reservation, now: float = 0.0) -> None:
        self.lanes.went(reservation)
        self.leaves(reservation, now)

    def leaves(self, reservation: Reservation, now: float = 0.0) -> None:
        self.lanes.remove(now, self._tickets[reservation], reservation)

    def query_goes(self, tokens: float = 10.0) -> None:
        """One that did not have to wait."""
        self.lanes.went(Reservation("query", 0, tokens, 3))

    def next_document(self) -> Reservation | None:
        found = self.lanes.document()
        return None if found is None else found[1]


@pytest.fixture
def queue(loop: asyncio.AbstractEventLoop) -> Queue:
    return Queue(loop)


def test_each_is_counted_until_it_leaves(queue: Queue) -> None:
    waiting = [queue.comes("query"), queue.comes("document"), queue.comes("document", owner="b")]
    for left in (2, 1, 0):
        gone = waiting.pop()
        queue.leaves(gone)
        queue.leaves(gone)  # it may be gone already
        assert len(queue.lanes) == left
    assert queue.lanes.first() is None


def test_queries_come_before_documents_and_each_in_their_order(queue: Queue) -> None:
    documents = [queue.comes("document"), queue.comes("document")]
    queries = [queue.comes("query"), queue.comes("query")]
    order = []
    while (first := queue.lanes.first()) is not None:
        order.append(first)
        queue.goes(first)
    assert order == queries + documents


def test_a_batch_that_was_rejected_comes_before_the_others_of_its_kind(queue: Queue) -> None:
    queue.comes("document")
    again = queue.comes("document", first=True)
    assert queue.lanes.first() is again
    queue.comes("query")
    again = queue.comes("query", first=True)
    assert queue.lanes.first() is again


def test_an_eighth_of_what_queries_take_is_set_aside_for_waiting_documents(queue: Queue) -> None:
    queue.comes("document", 50.0)
    for _ in range(16):
        queue.query_goes()
    assert queue.lanes.set_aside() == (1.0, 20.0, 3.0)


def test_each_input_of_a_query_is_a_request_where_the_provider_counts_so(queue: Queue) -> None:
    queue.comes("document", 50.0)
    for _ in range(4):
        queue.lanes.went(Reservation("query", 0, 10.0, 3, requests=3.0))
    assert queue.lanes.set_aside() == (1.0, 5.0, 1.5)


def test_parts_of_a_request_are_not_set_aside(queue: Queue) -> None:
    queue.comes("document", 50.0)
    for _ in range(7):
        queue.query_goes()
    assert queue.lanes.set_aside() == (0.0, 8.75, 2.625)


def test_no_more_is_set_aside_than_the_first_document_needs(queue: Queue) -> None:
    queue.comes("document", 15.0)
    for _ in range(40):
        queue.query_goes()
    assert queue.lanes.set_aside() == (1.0, 15.0, 3.0)


def test_an_admitted_document_is_paid_from_what_is_set_aside(queue: Queue) -> None:
    first = queue.comes("document", 15.0)
    queue.comes("document", 1000.0)
    for _ in range(16):
        queue.query_goes()
    queue.goes(first)
    assert queue.lanes.set_aside() == (1.0, 5.0, 3.0)
    queue.lanes.went(Reservation("document", 0, 1000.0, 1000, requests=1000.0))
    assert queue.lanes.set_aside() == NO_AMOUNTS


def test_nothing_is_set_aside_while_no_document_waits(queue: Queue) -> None:
    for _ in range(16):
        queue.query_goes()
    queue.comes("document")
    assert queue.lanes.set_aside() == NO_AMOUNTS
    last = queue.comes("document")
    queue.query_goes()
    assert queue.lanes.set_aside()[1] == 1.25
    queue.leaves(last)
    assert queue.lanes.set_aside()[1] == 1.25, "one waits"
    queue.leaves(queue.lanes.document()[1])  # type: ignore[index]
    queue.comes("document")
    assert queue.lanes.set_aside() == NO_AMOUNTS


@pytest.mark.parametrize(("queries", "owes"), [(7, False), (8, True)])
def test_the_next_slot_belongs_to_a_document_after_eight_queries(queue: Queue, queries: int, owes: bool) -> None:
    queue.comes("document")
    for _ in range(queries):
        queue.query_goes()
    assert queue.lanes.owes_a_slot is owes
    assert queue.lanes.blocks(Reservation("query")) is owes


@pytest.mark.parametrize(("queries", "owes"), [(15, False), (16, True)])
def test_with_a_quota_of_tokens_after_eight_times_its_tokens(queue: Queue, queries: int, owes: bool) -> None:
    queue.lanes.by_tokens = True
    queue.comes("document", 20.0)
    for _ in range(queries):
        queue.query_goes()
    assert queue.lanes.owes_a_slot is owes


def test_a_document_without_tokens_is_owed_one(queue: Queue) -> None:
    queue.lanes.by_tokens = True
    queue.comes("document", 0.0)
    queue.query_goes(7.9)
    assert not queue.lanes.owes_a_slot
    queue.query_goes(0.1)
    assert queue.lanes.owes_a_slot


def test_whoever_waits_blocks_those_behind(queue: Queue) -> None:
    query, document = Reservation("query"), Reservation("document")
    assert [queue.lanes.blocks(each) for each in (query, document)] == [False, False]
    waiting = queue.comes("document")
    assert [queue.lanes.blocks(each) for each in (query, document)] == [False, True]
    queue.leaves(waiting)
    queue.comes("query")
    assert [queue.lanes.blocks(each) for each in (query, document)] == [True, True]


def test_the_owner_that_has_had_least_is_next(queue: Queue) -> None:
    a = [queue.comes("document", 30.0, "a") for _ in range(2)]
    b = [queue.comes("document", 20.0, "b") for _ in range(3)]
    order = []
    for _ in range(5):
        document = queue.next_document()
        assert document is not None
        order.append(document)
        queue.goes(document)
    assert order == [a[0], b[0], b[1], a[1], b[2]]


def test_a_request_without_tokens_costs_its_owner_a_turn(queue: Queue) -> None:
    queue.comes("document", 0.0, "a")
    second = queue.comes("document", 0.0, "a")
    other = queue.comes("document", 0.0, "b")
    queue.goes(queue.next_document())  # type: ignore[arg-type]
    assert queue.next_document() is other
    queue.goes(other)
    assert queue.next_document() is second


def test_a_turn_costs_the_tokens_and_one_at_least(queue: Queue) -> None:
    a = [queue.comes("document", 0.0, "a") for _ in range(3)]
    b = [queue.comes("document", 2.5, "b") for _ in range(2)]
    for gone in (*a[:2], b[0]):
        queue.goes(gone)
    assert queue.next_document() is a[2]


def test_a_new_owner_begins_with_the_one_that_has_had_least(queue: Queue) -> None:
    for owner, tokens in (("a", 500.0), ("b", 20.0)):
        queue.goes(queue.comes("document", tokens, owner))
        queue.comes("document", tokens, owner)
    new = queue.comes("document", 10.0, "c")
    queue.goes(queue.next_document())  # type: ignore[arg-type]
    assert queue.next_document() is new


def test_a_new_owner_is_not_compensated(queue: Queue) -> None:
    served = queue.comes("document", 500.0, "a")
    waits = queue.comes("document", 500.0, "a")
    queue.goes(served)
    new = [queue.comes("document", 10.0, "b") for _ in range(2)]
    order = [queue.next_document()]
    queue.goes(waits)
    order.append(queue.next_document())
    assert order == [waits, new[0]]


@pytest.mark.parametrize(("absent", "first"), [(1.0, "b"), (1.1, "a")])
def test_an_owner_keeps_its_turn_for_a_second_without_a_waiting_document(
    queue: Queue, absent: float, first: str
) -> None:
    """``a`` has had 500 tokens, ``b`` 40."""
    last = queue.comes("document", 500.0, "a")
    kept, gone = queue.comes("document", 10.0, "b"), queue.comes("document", 40.0, "b")
    queue.goes(last, now=5.0)
    queue.goes(gone)
    queue.lanes.by_tokens = True
    assert queue.lanes.shares_tokens
    queue.comes("document", 10.0, "a", now=5.0 + absent)
    queue.goes(kept, now=5.0 + absent)  # 50 by now
    queue.comes("document", 10.0, "b", now=5.0 + absent)
    document = queue.next_document()
    assert document is not None
    assert document.owner == first


def test_owners_share_tokens_while_there_are_two(queue: Queue) -> None:
    assert not queue.lanes.by_tokens
    shares = []
    for owner in ("a", "b"):
        queue.comes("document", owner=owner)
        shares.append(queue.lanes.shares_tokens)
        queue.lanes.by_tokens = True
        shares.append(queue.lanes.shares_tokens)
    assert shares == [False, False, True, True]
    queue.lanes.by_tokens = False
    assert not queue.lanes.shares_tokens


def test_sixteen_documents_behind_the_first_are_examined_for_smaller_ones(queue: Queue) -> None:
    queue.comes("document", 10.0)
    behind = [queue.comes("document", tokens) for tokens in [10.0, 11.0, *[9.0] * 20]]
    head = queue.lanes.document()
    assert head is not None
    assert [reservation for _, reservation in queue.lanes.smaller(head)] == behind[2:16]


def test_all_who_wait_are_listed(queue: Queue) -> None:
    waiting = {queue.comes("query"), queue.comes("document"), queue.comes("document", owner="b")}
    assert {reservation for _, reservation in queue.lanes.waiting()} == waiting
