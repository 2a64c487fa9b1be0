"""The calls that wait for each text of a shared call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from aembed._engine.plan import indices_of
from aembed._sharing.participant import Participant
from aembed._types import Batch


class Part(NamedTuple):
    """The texts of a batch that one participant waits for."""

    participant: Participant
    positions: Sequence[int]
    """Ascending positions in the batch; a ``range`` if they are all of it."""
    batch: Batch
    """The same texts as a batch of the participant's call."""


class Seats:
    """Seats: a seat is a text of a shared call, with the index that it has in the call of one participant.

    Invariants:

    - A participant has at most one seat for a text, and none for a text that has its end.
    - A participant without seats is not listed.
    - ``Participant.missing`` counts a seat from ``add`` until ``remove``, or until the participant has settled the
      text that ``take`` gave it.

    Participants are listed in the order in which they joined: the first that waits for a text pays for it.
    """

    def __init__(self) -> None:
        self._own: dict[Participant, dict[int, int]] = {}
        """Index in the shared call -> index in the participant's call."""

    def __bool__(self) -> bool:
        return bool(self._own)

    def __contains__(self, participant: Participant) -> bool:
        return participant in self._own

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._own)

    def of(self, participant: Participant) -> list[int]:
        """Indices of the texts that the participant waits for."""
        return list(self._own.get(participant, ()))

    def add(self, participant: Participant, indices: Sequence[int], own: Sequence[int]) -> None:
        """Add seats for texts that have not ended: ``indices`` here, ``own`` in the participant's call."""
        self._own.setdefault(participant, {}).update(zip(indices, own, strict=True))
        participant.missing += len(indices)

    def remove(self, participant: Participant, indices: Sequence[int]) -> list[int]:
        """Give up seats, and return the indices that these texts have in the participant's call."""
        own = self._pop(participant, indices)
        participant.missing -= len(own)
        return own

    def parts(self, batch: Batch) -> Iterator[Part]:
        """The batch as each participant sees it."""
        for participant, positions, indices in self._found(batch):
            own = self._own[participant]
            yield _part(participant, batch, positions, [own[index] for index in indices])

    def take(self, batch: Batch) -> Iterator[Part]:
        """Like :meth:`parts`, and remove the seats: each participant has to settle its part."""
        for participant, positions, indices in self._found(batch):
            yield _part(participant, batch, positions, self._pop(participant, indices))

    def is_wanted(self, batch: Batch) -> bool:
        """True if a participant whose call has not stopped waits for one of the texts."""
        indices = indices_of(batch)
        return any(not each.call.stopped and not own.keys().isdisjoint(indices) for each, own in self._own.items())

    def is_empty(self, batch: Batch) -> bool:
        """True if no participant waits for any of the texts."""
        indices = indices_of(batch)
        return all(own.keys().isdisjoint(indices) for own in self._own.values())

    def _pop(self, participant: Participant, indices: Sequence[int]) -> list[int]:
        own = self._own.get(participant, {})
        popped = [own.pop(index) for index in indices]
        if not own:
            self._own.pop(participant, None)
        return popped

    def _found(self, batch: Batch) -> Iterator[tuple[Participant, Sequence[int], Sequence[int]]]:
        """Each participant with its positions in the batch, and the indices of these texts.

        The shorter side is searched: a batch may have one participant with thousands of seats, and a thousand
        participants with one seat each.
        """
        indices = indices_of(batch)
        position_of: dict[int, int] = {}
        for participant, own in tuple(self._own.items()):
            if len(own) < len(indices):
                position_of = position_of or {index: position for position, index in enumerate(indices)}
                positions: Sequence[int] = sorted(position_of[index] for index in own if index in position_of)
            else:
                positions = [position for position, index in enumerate(indices) if index in own]
            if not positions:
                continue
            if len(positions) == len(indices):
                yield participant, range(len(indices)), indices
            else:
                yield participant, positions, [indices[position] for position in positions]


def _part(participant: Participant, batch: Batch, positions: Sequence[int], own: list[int]) -> Part:
    texts = batch.texts if isinstance(positions, range) else [batch.texts[position] for position in positions]
    return Part(participant, positions, batch_of(texts, own))


def batch_of(texts: Sequence[str], indices: list[int]) -> Batch:
    """A batch whose rows are a slice where they are neighbours: a slice is marked and copied several times faster."""
    first = indices[0] if indices else 0
    if indices == list(range(first, first + len(indices))):
        return Batch(texts, slice(first, first + len(indices)))
    return Batch(texts, np.array(indices, np.intp))
