"""The calls that wait for each text, against a plain model; and the tokens that each call pays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aembed._engine.call import EmbedCall
from aembed._engine.plan import indices_of
from aembed._sharing.participant import Participant
from aembed._sharing.seats import Seats, batch_of
from aembed._sharing.token_shares import TokenShares
from aembed._types import Batch

TEXTS = [f"text {number}" for number in range(8)]
subsets = st.sets(st.integers(0, len(TEXTS) - 1)).map(sorted)


def batch(indices: list[int]) -> Batch:
    return batch_of([TEXTS[index] for index in indices], indices)


def own(index: int) -> int:
    """Index in the participant's call."""
    return 7 - index


@given(st.lists(subsets, min_size=1, max_size=4), st.lists(st.tuples(st.booleans(), st.integers(0, 3), subsets)))
def test_every_seat_is_counted_until_it_is_taken_or_given_up(
    joins: list[list[int]], steps: list[tuple[bool, int, list[int]]]
) -> None:
    seats = Seats()
    participants = [Participant(EmbedCall(TEXTS, "document"), None) for _ in joins]
    model = [set(indices) for indices in joins]
    for participant, indices in zip(participants, joins, strict=True):
        if indices:
            seats.add(participant, indices, [own(index) for index in indices])
    for takes, number, indices in steps:
        if takes:
            parts = list(seats.take(batch(indices)))
            assert [(part.participant, list(part.batch.texts)) for part in parts] == [
                (participant, [TEXTS[index] for index in indices if index in held])
                for participant, held in zip(participants, model, strict=True)
                if held & set(indices)
            ]
            for part in parts:
                assert list(indices_of(part.batch)) == [own(indices[position]) for position in part.positions]
                part.participant.settle(len(part.batch))
            model = [held - set(indices) for held in model]
        elif number < len(model):
            gone = sorted(model[number] & set(indices))
            assert seats.remove(participants[number], gone) == [own(index) for index in gone]
            model[number] -= set(gone)
        assert [participant.missing for participant in participants] == list(map(len, model))
        assert [participant in seats for participant in participants] == list(map(bool, model))
        assert bool(seats) is any(model)
        wanted = any(held & set(indices) for held in model)
        assert (seats.is_wanted(batch(indices)), seats.is_empty(batch(indices))) == (wanted, not wanted)


@given(subsets)
def test_neighbours_are_a_slice(indices: list[int]) -> None:
    found = batch(indices)
    assert list(indices_of(found)) == indices
    is_run = indices == list(range(indices[0], indices[-1] + 1)) if indices else True
    assert isinstance(found.rows, slice) is is_run


@given(st.integers(0, 10_000), st.lists(st.integers(1, 500), min_size=1, max_size=20), st.data())
def test_shares_follow_lengths_and_add_up(tokens: int, lengths: list[int], data: st.DataObject) -> None:
    texts = ["x" * length for length in lengths]
    payers = data.draw(st.lists(st.integers(0, 2), min_size=len(texts), max_size=len(texts)))
    shares = TokenShares(tokens, texts)
    paid = []
    for payer in range(3):
        positions = [position for position, own in enumerate(payers) if own == payer]
        paid.append(shares.take(positions) or 0)
        assert abs(paid[-1] - tokens * sum(lengths[p] for p in positions) / sum(lengths)) <= 1
        assert shares.take(positions) == 0, "nothing is paid for twice"
    assert sum(paid) == tokens


def test_a_cost_that_is_not_reported_is_known_to_no_call() -> None:
    shares = TokenShares(None, ["a", "b"])
    assert (shares.take([0]), shares.take(range(2)), shares.take([])) == (None, None, 0)
